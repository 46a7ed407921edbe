"""Patterns over paths: `*`, `?`, `[a-z]`, `[!a-z]` within one part, `**` for any number (reference, section 12).

As in the original, a `*` also matches names that begin with a dot.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from fanout.errors import InputError

_MAGIC = re.compile(r"[*?\[]")


def has_magic(text: str) -> bool:
    """Whether `text` is a pattern rather than a plain path."""
    return _MAGIC.search(text) is not None


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
    inner = [r"(?:[^/]+/)*" if part == "**" else _regex(part) + "/" for part in parts[:-1]]
    return "".join(inner) + (".+" if parts[-1] == "**" else _regex(parts[-1]))


def _regex(part: str) -> str:
    """One part as a regular expression; `**` inside a part means the same as `*`."""
    out, at = [], 0
    while at < len(part):
        char = part[at]
        at += 1
        if char == "[":
            piece, at = _bracket(part, at)
            out.append(piece)
        elif char == "*":
            out.append("" if out[-1:] == ["[^/]*"] else "[^/]*")
        else:
            out.append("[^/]" if char == "?" else re.escape(char))
    return "".join(out)


def _bracket(part: str, at: int) -> tuple[str, int]:
    """The character class that opens just before `at`, and where it ends."""
    negated = part[at : at + 1] in ("!", "^")
    start = at + negated
    end = part.find("]", start + 1)  # a ] right after the opening is a member
    if end < 0:
        raise InputError(f"pattern {part!r}: the '[' is not closed; write '[[]' for the character itself")
    members = re.sub(r"([\\\[\]^&~|])", r"\\\1", part[start:end])
    try:
        re.compile(f"[{members}]")
    except re.error as exc:
        raise InputError(f"pattern {part!r}: bad range in [{part[start:end]}]: {exc}") from exc
    return f"(?!/)[{'^' if negated else ''}{members}]", end + 1
