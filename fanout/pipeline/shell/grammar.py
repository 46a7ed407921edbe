"""A small, recognised part of the shell's language: enough to know that a value which is put there stays a value.

Everything that is not on the list of what is recognised ends in `Unrecognised`: here-documents, arithmetic, `[[ ]]`,
arrays, functions, `case`, backticks, `$'...'`, parameter expansions other than `$NAME` and `${NAME}`, ... There is no
attempt to understand them: the caller then fills the template in without this module, or refuses it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

HOLE = "\0"
"""Where a value belongs in a template; and, in a `Word`, a value that must not be looked into."""
EXPANSION = "\1"
"""In a `Word`, what the shell puts there: a variable, or the output of a command."""

_DEPTH_LIMIT = 20
_BLANK, _ENDS = " \t", " \t\n;&|<>()"
_NUMBER = re.compile(r"[0-9]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CHANGE = re.compile(r"(?::?[-+]|%%?|##?)[A-Za-z0-9_./*?-]*")
"""A default, or what is cut off: plain text and patterns, in which nothing is computed."""
_SPECIAL = frozenset("@*?$!#-0123456789")
_SKIPPED = frozenset({"if", "then", "elif", "else", "fi", "while", "until", "do", "done", "!", "{", "}", "time"})
_UNRECOGNISED_WORDS = frozenset({"case", "esac", "select", "function", "coproc", "[[", "]]"})


class Unrecognised(ValueError):  # noqa: N818 - an answer, not a fault
    """The template has something outside of the recognised part; the message names it."""


class Quoting(Enum):
    """What stands around a value in the template."""

    NONE = ""
    SINGLE = "'"
    DOUBLE = '"'
    COMMENT = "#"


@dataclass(frozen=True, slots=True)
class Hole:
    """Where one value goes; `escaped`: the template has a backslash right before it."""

    quoting: Quoting
    escaped: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a command without its quotes; values that may hold anything are `HOLE`, expansions `EXPANSION`."""

    text: str
    quoted: bool = False
    holes: tuple[int, ...] = ()  # those that are `HOLE`
    splits: bool = False  # an expansion without quotes may become several words

    @property
    def fixed(self) -> bool:
        """Whether the template alone says what the word is."""
        return HOLE not in self.text and EXPANSION not in self.text


@dataclass(slots=True)
class Command:
    """One simple command, or the head of a `for` loop: its words, and the files it is redirected to or from."""

    words: list[Word] = field(default_factory=list)
    files: list[Word] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Script:
    """A template that was recognised: its commands in any order, its holes in the order of the text."""

    commands: Sequence[Command]
    holes: Sequence[Hole]
    piped: bool  # some command reads what another one prints


def recognise(text: str, known: Sequence[str | None]) -> Script:
    """The commands of a template in which each value is a `HOLE`; Unrecognised with the construct that is outside.

    `known` has, for each hole, the value when it may be looked into, else None.
    """
    return _Reader(text, known).read()


class _Reader:
    def __init__(self, text: str, known: Sequence[str | None]) -> None:
        self._text = text
        self._known = known
        self._at = 0
        self._holes: list[Hole] = []
        self._commands: list[Command] = []
        self._piped = False

    def read(self) -> Script:
        self._list(closing=False, depth=0)
        return Script(self._commands, self._holes, self._piped)

    def _peek(self, length: int = 1) -> str:
        return self._text[self._at : self._at + length]

    def _take(self, *choices: str) -> str:
        """The first of `choices` that stands here, which is then behind us; "" when none does."""
        found = next((choice for choice in choices if self._text.startswith(choice, self._at)), "")
        self._at += len(found)
        return found

    def _list(self, *, closing: bool, depth: int) -> None:
        """Commands up to the end of the text, or to the `)` that closes them."""
        if depth > _DEPTH_LIMIT:
            raise Unrecognised(f"parentheses nested more than {_DEPTH_LIMIT} deep")
        command = Command()
        self._commands.append(command)
        first = True  # `((`, also with a backslash and a newline between, is no pair of subshells
        while self._at < len(self._text):
            if self._take(" ", "\t", "\\\n"):
                continue
            if self._take(")"):
                if closing:
                    return
                raise Unrecognised("')' without '('")
            if self._ends_command():
                command = Command()
                self._commands.append(command)
            elif self._peek() == "(":
                self._subshell(command, allowed=not (closing and first), depth=depth)
            elif self._peek() in "<>" or self._peek(2) == "&>":
                self._redirection(command, depth)
            else:
                self._add(command, self._word(depth))
            first = False
        if closing:
            raise Unrecognised("'(' without ')'")

    def _ends_command(self) -> bool:
        if self._peek(2) in (";;", ";&"):
            raise Unrecognised("';;'")
        if self._peek(2) == "&>":
            return False
        operator = self._take("&&", "||", "|&", "|", "&", ";", "\n")
        self._piped = self._piped or operator in ("|", "|&")
        return bool(operator)

    def _subshell(self, command: Command, *, allowed: bool, depth: int) -> None:
        if command.words or command.files or not allowed:
            raise Unrecognised("'(' that opens no subshell (a function, an array, arithmetic)")
        self._at += 1
        self._list(closing=True, depth=depth + 1)

    def _redirection(self, command: Command, depth: int) -> None:
        operator = self._take("&>>", "&>", ">>", ">|", ">&", "<<", "<&", "<>", "<", ">")
        if operator == "<<":
            raise Unrecognised("'<<', a here-document")
        if operator in ("<&", "<>"):
            raise Unrecognised(f"'{operator}'")
        if operator == ">&":
            if not self._take(*"0123456789-") or (self._peek() and self._peek() not in _ENDS):
                raise Unrecognised("'>&' without a number")
            return
        if self._peek() == "(":
            raise Unrecognised("a process substitution")
        while self._take(" ", "\t", "\\\n"):
            pass
        if not self._peek() or self._peek() in _ENDS or self._peek() == "#":
            raise Unrecognised(f"'{operator}' without a file")
        command.files.append(self._word(depth) or Word(""))

    def _add(self, command: Command, word: Word | None) -> None:
        if word is None:
            return
        at_start = not command.words and not word.quoted and word.fixed
        if at_start and (word.text in _UNRECOGNISED_WORDS or (command.files and word.text in _SKIPPED)):
            raise Unrecognised(f"'{word.text}'")
        if not (at_start and word.text in _SKIPPED):
            command.words.append(word)

    def _word(self, depth: int) -> Word | None:
        """The word that begins here; None for a comment, and for the number of a redirection."""
        if self._peek() == "#":
            self._comment(depth)
            return None
        word = _Word()
        while self._at < len(self._text) and self._peek() not in _ENDS:
            self._piece(word, depth)
        if self._peek() == "(":
            raise Unrecognised("'(' inside a word (a function, an array, a pattern)")
        if self._peek() in ("<", ">") and _NUMBER.fullmatch(word.text) and not word.quoted:
            return None
        return word.done()

    def _piece(self, word: "_Word", depth: int) -> None:
        if self._take("'"):
            word.quoted = True
            self._single(word)
        elif self._take('"'):
            word.quoted = True
            self._double(word, depth)
        elif self._take("\\\n"):
            return
        elif self._take("\\"):
            word.quoted = True
            self._escape(word, Quoting.NONE)
        elif self._take("$"):
            word.splits = True
            self._dollar(word, depth)
        else:
            self._plain(word, Quoting.NONE)

    def _comment(self, depth: int) -> None:
        if depth:
            raise Unrecognised("a comment inside parentheses")
        end = self._text.find("\n", self._at)
        end = len(self._text) if end < 0 else end
        self._holes += [Hole(Quoting.COMMENT)] * self._text.count(HOLE, self._at, end)
        self._at = end

    def _single(self, word: "_Word") -> None:
        while not self._take("'"):
            self._plain(word, Quoting.SINGLE)

    def _double(self, word: "_Word", depth: int) -> None:
        while not self._take('"'):
            if self._take("\\\n"):
                continue
            if self._take("\\"):
                self._escape(word, Quoting.DOUBLE)
            elif self._take("$"):
                self._dollar(word, depth)
            else:
                self._plain(word, Quoting.DOUBLE)

    def _escape(self, word: "_Word", quoting: Quoting) -> None:
        char = self._peek()
        if char == HOLE:
            word.text += "\\"
            self._hole(word, quoting, escaped=True)
        elif not char:
            raise Unrecognised("a backslash at the end")
        else:
            word.text += char if quoting is Quoting.NONE or char in '$`"\\' else f"\\{char}"
            self._at += 1

    def _dollar(self, word: "_Word", depth: int) -> None:
        braced = bool(self._take("{"))
        name = _NAME.match(self._text, self._at)
        if name is not None:
            change = _CHANGE.match(self._text, name.end()) if braced else None
            self._at = name.end() if change is None else change.end()
            if braced and not self._take("}"):
                raise Unrecognised("a parameter expansion other than $NAME, ${NAME}, ${NAME:-text} and ${NAME%pattern}")
        elif braced:
            raise Unrecognised("'${' without the name of a variable")
        elif self._take("("):
            self._list(closing=True, depth=depth + 1)
        elif self._peek() in _SPECIAL and self._peek():
            self._at += 1
        else:
            raise Unrecognised(f"'${self._peek()}'" if self._peek() != HOLE else "'$' right before an expression")
        word.text += EXPANSION

    def _plain(self, word: "_Word", quoting: Quoting) -> None:
        char = self._peek()
        if char == HOLE:
            self._hole(word, quoting)
            return
        if not char:
            raise Unrecognised(f"{quoting.value} that is not closed")
        if char == "`" and quoting is not Quoting.SINGLE:
            raise Unrecognised("a backtick")
        if char == "{" and quoting is Quoting.NONE and (word.text or self._peek(2)[1:] not in ("", "}", *_ENDS)):
            raise Unrecognised("'{' inside a word")
        if not (char.isprintable() or (char in "\t\n" and quoting is not Quoting.NONE)):
            raise Unrecognised(f"the character {char!r}")
        word.text += char
        self._at += 1

    def _hole(self, word: "_Word", quoting: Quoting, *, escaped: bool = False) -> None:
        number = len(self._holes)
        self._holes.append(Hole(quoting, escaped))
        self._at += 1
        value = self._known[number]
        # A value is never a keyword, and never the number of a redirection: it is put in with quotes around it.
        word.quoted = True
        word.text += HOLE if value is None else value
        word.holes += (number,) if value is None else ()


@dataclass(slots=True)
class _Word:
    text: str = ""
    quoted: bool = False
    holes: tuple[int, ...] = ()
    splits: bool = False

    def done(self) -> Word:
        return Word(self.text, self.quoted, self.holes, self.splits)
