"""Patterns over paths: `*`, `?`, `[a-z]`, `[!a-z]` within one part, `**` for any number (reference, section 12).

As in the original, a `*` also matches names that begin with a dot.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from fanout.errors import InputError

_MAGIC = re.compile(r"[*?\[]")


def has_magic(text: str) -> bool:
    """Whether `text` is a pattern rather than a plain path."""
    return _MAGIC.search(text) is not None


def escape(path: str) -> str:
    """A pattern that matches just this path."""
    return _MAGIC.sub(lambda found: f"[{found[0]}]", path)


_ESCAPED = re.compile(r"\[([*?\[])\]")


def literal(pattern: str) -> str | None:
    """The only path that a pattern matches, which `escape` made or which has no wildcard; None for any other."""
    left = _ESCAPED.sub("", pattern)
    return None if has_magic(left) else _ESCAPED.sub(r"\1", pattern)


def split_pattern(pattern: str) -> tuple[str, str]:
    """The folder before the first part with a wildcard ("" when there is none), and the pattern below it."""
    parts = pattern.split("/")
    plain = next((i for i, part in enumerate(parts) if has_magic(part)), len(parts) - 1)
    return "/".join(parts[:plain]), "/".join(parts[plain:])


@dataclass(frozen=True, slots=True)
class Glob:
    """A compiled pattern over relative paths with forward slashes."""

    pattern: str
    path: re.Pattern[str]
    parts: tuple[re.Pattern[str] | None, ...]  # None stands for `**`

    def matches(self, relative: str) -> bool:
        """Whether the whole of `relative` fits the pattern."""
        return self.path.fullmatch(relative) is not None

    def may_hold(self, folder: str) -> bool:
        """Whether a file somewhere below `folder` could fit, so that it is worth descending."""
        for depth, name in enumerate(folder.split("/")):
            if depth >= len(self.parts) - 1:
                return False
            part = self.parts[depth]
            if part is None:
                return True
            if part.fullmatch(name) is None:
                return False
        return True


@lru_cache(maxsize=64)
def compile_glob(pattern: str) -> Glob:
    """The pattern, ready to match; InputError when a bracket is not closed."""
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    if not parts:
        raise InputError(f"{pattern!r}: expected a pattern such as '*.csv' or '**/*.csv'")
    return Glob(pattern, re.compile(_whole(parts), re.DOTALL), tuple(_compile_part(part) for part in parts))


def _compile_part(part: str) -> re.Pattern[str] | None:
    return None if part == "**" else re.compile(_regex(part), re.DOTALL)


def _whole(parts: list[str]) -> str:
    *inner, last = _between(parts, "**")
    runs = ["".join(_regex(part) + "/" for part in run) for run in inner]
    end = "/".join(map(_regex, last)) if last else ".+"
    return _first_fit(runs, r"(?:[^/]+/)*", end)


def _regex(part: str) -> str:
    """One part as a regular expression; `**` inside a part means the same as `*`."""
    *inner, last = _between(list(_members(part)), "*")
    return _first_fit(["".join(run) for run in inner], "[^/]*", "".join(last))


def _first_fit(runs: list[str], anything: str, end: str) -> str:
    """`runs` with `anything` in between, then `end`, as an expression that takes time that grows with the square.

    What follows an `anything` may be taken where it fits first, as whatever comes later fits behind it as well, and
    need not be looked for anew: hence atomic groups. Naively, `*a*a*a*b` takes time that grows with the fourth power.
    """
    if not runs:
        return end
    first, *others = runs
    return first + "".join(f"(?>{anything}?{run})" for run in others if run) + anything + end


def _between(pieces: list[str], separator: str) -> list[list[str]]:
    """The runs of `pieces` before, between and behind the separators."""
    runs: list[list[str]] = [[]]
    for piece in pieces:
        if piece == separator:
            runs.append([])
        else:
            runs[-1].append(piece)
    return runs


def _members(part: str) -> Iterator[str]:
    """What a part is made of: `*`, and an expression for each single character."""
    at = 0
    while at < len(part):
        char = part[at]
        at += 1
        if char == "[":
            piece, at = _bracket(part, at)
            yield piece
        else:
            yield {"*": "*", "?": "[^/]"}.get(char, re.escape(char))


def _bracket(part: str, at: int) -> tuple[str, int]:
    """The character class that opens just before `at`, and where it ends."""
    negated = part[at : at + 1] == "!"
    start = at + negated
    end = part.find("]", start + 1)  # a ] right after the opening is a member
    if end < 0:
        raise InputError(f"pattern {part!r}: the '[' is not closed; write '[[]' for the character itself")
    members = "".join(_ranges(part[start:end]))
    try:
        re.compile(f"[{members}]")
    except re.error as exc:
        raise InputError(f"pattern {part!r}: bad range in [{part[start:end]}]: {exc}") from exc
    return f"(?!/)[{'^' if negated else ''}{members}]", end + 1


def _ranges(members: str) -> Iterator[str]:
    """The members of a class, each character and each `a-z` by itself, none with a meaning of its own."""
    at = 0
    while at < len(members):
        if members[at + 1 : at + 2] == "-" and at + 2 < len(members):
            yield f"{_literal(members[at])}-{_literal(members[at + 2])}"
            at += 3
        else:
            yield _literal(members[at])
            at += 1


def _literal(char: str) -> str:
    return char if char.isalnum() else f"\\{char}"
