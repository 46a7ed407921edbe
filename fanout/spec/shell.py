"""Where in a shell command a position stands, as far as quotes go: what makes filling in a template safe."""

import re
import shlex
from collections.abc import Callable, Iterator, Sequence

from fanout.errors import UserError

Quote = Callable[[str], str]

_WORD, _SINGLE, _DOUBLE, _ANSI, _BACKTICK, _PAREN, _COMMENT, _HERE = "", "'", '"', "$'", "`", ")", "#", "<<"
_DEPTH_LIMIT = 50
_QUOTED = frozenset({_SINGLE, _DOUBLE, _ANSI})
_HERE_DOCUMENT = re.compile(r"(?<!<)<<-?(?![<=\d\s)-])")


def quote_at(command: str, positions: Sequence[int]) -> list[Quote]:
    """For each of the ascending `positions`, how a value put there must be quoted to be taken as written."""
    wanted = list(positions)
    if not wanted:
        return []
    quotes: list[Quote] = []
    for start, stop, context in _contexts(command):
        while len(quotes) < len(wanted) and wanted[len(quotes)] < stop:
            escaped = context != _COMMENT and wanted[len(quotes)] > start
            quotes.append(_after_backslash(_QUOTES[context]) if escaped else _QUOTES[context])
    return quotes


def _contexts(command: str) -> Iterator[tuple[int, int, str]]:
    """Spans of the command, each with the thing that decides how to quote there.

    A substitution inside double quotes starts afresh: in `"$(cat ${{inputs.x}})"` the value stands unquoted.
    """
    stack = [_WORD]
    here = below = False
    index = 0
    while index < len(command):
        stop, context = _span(command, index, stack)
        yield index, stop, _HERE if below else context
        below = below or (here and command[index] == "\n")
        here = here or (stack[-1] not in _QUOTED and bool(_HERE_DOCUMENT.match(command, index)))
        if stop == index + 1:
            _step(stack, command, index)
        if len(stack) > _DEPTH_LIMIT:
            raise UserError(f"quotes and parentheses are nested more than {_DEPTH_LIMIT} deep")
        index = stop


def _span(command: str, index: int, stack: Sequence[str]) -> tuple[int, str]:
    if command[index] == "\\" and stack[-1] != _SINGLE:
        return index + 2, _deciding(stack)
    if command[index] == "#" and stack[-1] not in _QUOTED and (index == 0 or command[index - 1] in " \t\n;&|("):
        end = command.find("\n", index)
        return len(command) if end < 0 else end, _COMMENT
    return index + 1, _deciding(stack)


def _deciding(stack: Sequence[str]) -> str:
    # Inside backticks everything is read twice, so they decide however deep the position is.
    return _BACKTICK if _BACKTICK in stack else stack[-1]


def _step(stack: list[str], command: str, index: int) -> None:
    """Open or close what the character at `index` opens or closes."""
    char, before, top = command[index], command[index - 1 : index], stack[-1]
    if char == top or (char == _SINGLE and top == _ANSI):
        stack.pop()
    elif top in (_SINGLE, _ANSI):
        return
    elif char in (_DOUBLE, _BACKTICK):
        stack.append(char)
    elif char == _SINGLE and top != _DOUBLE:
        stack.append(_ANSI if before == "$" else _SINGLE)
    elif char == "(" and (top != _DOUBLE or before == "$"):
        stack.append(_PAREN)


def _in_single(value: str) -> str:
    return value.replace("'", "'\"'\"'")


def _in_double(value: str) -> str:
    return "".join("\\" + char if char in '\\$"`' else char for char in value)


def _in_comment(value: str) -> str:
    return " ".join(value.split())


def _after_backslash(quote: Quote) -> Quote:
    # The template's backslash must not eat the quote that follows it: it is made a backslash that stands for itself.
    return lambda value: "\\" + quote(value)


def _refuse(where: str) -> Quote:
    def refuse(_value: str) -> str:
        raise UserError(f"an expression {where} cannot be filled in safely")

    return refuse


_QUOTES: dict[str, Quote] = {
    _WORD: shlex.quote,
    _PAREN: shlex.quote,
    _SINGLE: _in_single,
    _DOUBLE: _in_double,
    _COMMENT: _in_comment,
    _BACKTICK: _refuse("inside backticks (write $(...) instead)"),
    _ANSI: _refuse("inside $'...'"),
    _HERE: _refuse("below a here-document (assign it to a variable above)"),
}
