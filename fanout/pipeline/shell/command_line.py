"""A command filled in with values, so that no value can become a command.

A value of harmless characters is put in as text. Any other never stands in the text: it goes into an environment
variable, and the text gets a quoted reference to it. That takes a template whose every word is understood
(`spec.shell`) and whose commands hand words on as they are (`spec.shell_rules`); in any other template such a value is
refused.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fanout.errors import UserError
from fanout.pipeline.expressions import EXPRESSION, choose_groups, own_reference, value_of
from fanout.pipeline.shell.grammar import HOLE, Hole, Quoting, Script, Unrecognised, recognise
from fanout.pipeline.shell.rules import refusal
from fanout.pipeline.yaml.diagnostics import shorten

_HARMLESS = re.compile(r"[A-Za-z0-9_./:=@%+,-]+")
_LARGEST = 100_000
"""Bytes of one value: Linux takes 128 KiB in one variable, its name included."""

_HOLDS_VALUES = re.compile(r"(?:AZURE_ML_(?:INPUT|OUTPUT)|FANOUT_VALUE)_")
"""The variables that hold values: arithmetic takes a name for what it holds, and runs a command that is in there."""

_BEHIND_DOLLAR = re.compile(r"(?:\$\{?[\w!#@*?$-]*|[\\~])\Z", re.ASCII)
_BEGINS_COMMAND = re.compile(r"(?:\A|[\s;&|(])\Z")
_ASSIGNS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_BRACES = re.compile(r"(?<!\$)\{(?=\S)")
_DOCUMENT = re.compile(r"<<-?[ \t]*([^\n]*)")
_LOOK_BACK = 200


class UnsafeValueError(UserError):
    """A value that could not be filled in without changing what the command is."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command for a shell, and the environment variables that it refers to."""

    text: str
    variables: Mapping[str, str] = field(default_factory=dict)


def render_command(template: str, inputs: Mapping[str, str | None], outputs: Mapping[str, str]) -> CommandLine:
    """`template` filled in for a shell: every value arrives as written, as (part of) one word, or is refused.

    `x.py ${{inputs.a}}`, `x.py "${{inputs.a}}"` and `x.py '${{inputs.a}}'` pass one argument. A `$[[...]]` group is
    dropped when an input in it has no value. UserError for a name without a value elsewhere, UnsafeValueError for a
    value that is refused.
    """
    kept = choose_groups(template, inputs)
    if HOLE in kept:
        raise UserError("a command cannot hold a NUL character")
    expressions = [match[0] for match in EXPRESSION.finditer(kept)]
    values = [value_of(expression, inputs, outputs) for expression in expressions]
    return _fill(_Template(EXPRESSION.sub(HOLE, kept), expressions), values)


@dataclass(frozen=True, slots=True)
class _Template:
    text: str  # with a HOLE for each of `expressions`
    expressions: Sequence[str]

    def refused(self, number: int, why: str) -> UnsafeValueError:
        """The error about one value, with what mends it."""
        expression = self.expressions[number]
        own = own_reference(expression, "inputs")
        name = f"AZURE_ML_INPUT_{own}" if own else f"AZURE_ML_OUTPUT_{own_reference(expression, 'outputs')}"
        return UnsafeValueError(
            f"{expression} cannot be filled in safely: {why}. Let it stand as a word of its own, as in: "
            f"python script.py --option {expression}; or let a script read the environment variable {name}"
        )


def _fill(template: _Template, values: Sequence[str]) -> CommandLine:
    for number, value in enumerate(values):
        if "\0" in value or len(value.encode(errors="surrogatepass")) > _LARGEST:
            raise template.refused(number, "its value holds a NUL character, or is too large for an argument")
    harmless = [bool(_HARMLESS.fullmatch(value)) and not _HOLDS_VALUES.search(value) for value in values]
    try:
        script = recognise(template.text, [v if fine else None for v, fine in zip(values, harmless, strict=True)])
    except Unrecognised as exc:
        return _as_text(template, values, harmless, str(exc))
    return _quoted(template, script, values, harmless)


def _quoted(template: _Template, script: Script, values: Sequence[str], harmless: Sequence[bool]) -> CommandLine:
    anything = {
        n: v for n, v in enumerate(values) if not harmless[n] and script.holes[n].quoting is not Quoting.COMMENT
    }
    why = refusal(script, anything) if anything else None
    if why is not None:
        number = min(anything)
        raise template.refused(number, f"{_kind(values[number])}, and the command has {why}")
    variables = {f"FANOUT_VALUE_{number}": value for number, value in anything.items()}
    parts = template.text.split(HOLE)
    filled = [
        _reference(hole, value if fine else None, number)
        for number, (hole, value, fine) in enumerate(zip(script.holes, values, harmless, strict=True))
    ]
    return CommandLine("".join(a + b for a, b in zip(parts, [*filled, ""], strict=True)), variables)


def _reference(hole: Hole, value: str | None, number: int) -> str:
    """One value in quotes of its own: those of the template are closed before it, and opened again behind it."""
    if hole.quoting is Quoting.COMMENT:
        return ""
    own = f"'{value}'" if value is not None else f'"${{FANOUT_VALUE_{number}}}"'
    # The template's backslash must not eat the quote that follows it: it is made a backslash that stands for itself.
    quote: str = hole.quoting.value
    return ("\\" if hole.escaped else "") + quote + own + quote


def _as_text(template: _Template, values: Sequence[str], harmless: Sequence[bool], construct: str) -> CommandLine:
    """Where the template is not understood: harmless text, where even that can mean nothing else."""
    parts = template.text.split(HOLE)
    braces = _BRACES.search(template.text) is not None
    done, before = [parts[0]], parts[0][-_LOOK_BACK:]
    for number, (value, after) in enumerate(zip(values, parts[1:], strict=True)):
        why = f"{_kind(value)}, and the command has {construct}" if not harmless[number] else None
        why = why or _misread(before, value, after, braces=braces)
        if why:
            raise template.refused(number, why)
        done += [value, after]
        before = (before + value + after)[-_LOOK_BACK:]
    if (ending := _ends_document(template.text, values)) is not None:
        raise template.refused(ending, f"its value '{shorten(values[ending])}' would end the here-document it is in")
    text = "".join(done)
    if len(_HOLDS_VALUES.findall(text)) > len(_HOLDS_VALUES.findall(template.text)):
        raise template.refused(0, "it makes the name of a variable that holds a value")
    return CommandLine(text)


def _misread(before: str, value: str, after: str, *, braces: bool) -> str | None:
    """Why a shell would take harmless text for something else in this place, if it would."""
    if found := _BEHIND_DOLLAR.search(before):
        return f"it stands right behind '{shorten(found[0])}'"
    if after[:1] in ("<", ">") and value.isdigit():
        return "its value is a number right before a redirection"
    if _BEGINS_COMMAND.search(before) and _ASSIGNS.match(value):
        return "its value reads like the assignment of a variable"
    if braces and ("," in value or ".." in value):
        return "its value has a comma or '..', which means something else between braces"
    return None


def _ends_document(template: str, values: Sequence[str]) -> int | None:
    """The number of a value that makes its line the end of a here-document, if there is one."""
    if "<<" not in template:
        return None
    for text in (template, template.replace("\\\n", "")):
        ends = [re.sub(r"['\"\\]", "", rest) for rest in _DOCUMENT.findall(text)]
        number = 0
        for line in text.split("\n"):
            count = line.count(HOLE)
            filled = [*values[number : number + count], ""]
            whole = "".join(a + b for a, b in zip(line.split(HOLE), filled, strict=True)).lstrip("\t")
            if count and any(end.startswith(whole) for end in ends):
                return number
            number += count
    return None


def _kind(value: str) -> str:
    if not value:
        return "its value is empty text"
    if _HOLDS_VALUES.search(value):
        return f"its value '{shorten(value)}' names a variable that holds a value"
    first = next(char for char in value if not _HARMLESS.fullmatch(char))
    sort = "a path" if value.startswith("/") else "a URI" if "://" in value else "text"
    return f"its value is {sort} with '{shorten(first)}' in it"
