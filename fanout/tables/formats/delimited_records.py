"""Delimited text to records, by the letter: the slow, exact way, for headers and for blocks that are not regular.

Lines end with a line feed, and one carriage return in front of it is part of the end; an empty line is none. A quote
opens a field only at its beginning; in it, two quotes stand for one. A quote that is never closed (on its line, unless
the table supports fields of several lines) is an ordinary character (reference, section 12).
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

Field = str | None


def split_records(text: str, delimiter: str, *, multi_line: bool, empty: Field = None) -> Iterator[list[Field]]:
    """The fields of each record; `empty` where there is nothing at all, not even quotes."""
    if multi_line:
        yield from _split_multi_line(text, delimiter, empty)
        return
    for line in text.split("\n"):
        if line:
            line = line.removesuffix("\r")
            if '"' in line:
                yield split_line(line, delimiter, empty)
            else:
                yield [field or empty for field in line.split(delimiter)]


def _split_multi_line(text: str, delimiter: str, empty: Field) -> Iterator[list[Field]]:
    at = 0
    while at < len(text):
        if text.startswith("\r\n", at):
            at += 2
            continue
        fields, at = record_at(text, at, delimiter, empty)
        yield fields


def record_at(text: str, start: int, delimiter: str, empty: Field) -> tuple[list[Field], int]:
    """The fields of the record at `start`, and where the next one starts.

    As in the original, a record has at least one character, so that the line feed of an empty line is its first one.
    """
    fields: list[Field] = []
    pattern, at = _field_pattern(delimiter, "\n"), start
    if text[at] == "\n":
        end = _plain_end(text, at + 1, delimiter)
        fields, at = [text[at:end]], end
    else:
        found = pattern.match(text, at)
        if found is None:
            return split_line(text[start:], delimiter, empty), len(text)
        fields, at = [_field(found, empty)], found.end()
    while text.startswith(delimiter, at):
        found = pattern.match(text, at + 1)
        if found is None:
            return [*fields, *split_line(text[at + 1 :], delimiter, empty)], len(text)
        fields.append(_field(found, empty))
        at = found.end()
    if at < len(text) and (last := fields[-1]) is not None:
        fields[-1] = last.removesuffix("\r") or (empty if last == "\r" and text[at - 2 : at - 1] != '"' else "")
    return fields, at + 1


def _plain_end(text: str, at: int, delimiter: str) -> int:
    ends = (found for found in (text.find(delimiter, at), text.find("\n", at)) if found >= 0)
    return min(ends, default=len(text))


def _field(found: re.Match[str], empty: Field) -> Field:
    quoted, after, plain = found.groups()
    return (plain or empty) if quoted is None else quoted.replace('""', '"') + after


def split_line(line: str, delimiter: str, empty: Field = None) -> list[Field]:
    """The fields of one line; a quote that is never closed is text."""
    fields: list[Field] = []
    at = 0
    pattern = _field_pattern(delimiter, "")
    while True:
        found = pattern.match(line, at)
        if found is None:  # only an unclosed quote is no field
            end = line.find(delimiter, at) if delimiter in line[at:] else len(line)
            fields.append(line[at:end])
        else:
            fields.append(_field(found, empty))
            end = found.end()
        at = end + 1
        if at > len(line):
            return fields


def ends_inside_quotes(line: str, delimiter: str) -> bool:
    """Whether the last quote of a line is never closed."""
    pattern, at = _field_pattern(delimiter, ""), 0
    while at <= len(line):
        found = pattern.match(line, at)
        if found is None:
            return True
        at = found.end() + 1
    return False


@lru_cache(maxsize=16)
def _field_pattern(delimiter: str, line_end: str) -> re.Pattern[str]:
    """One field up to the delimiter or line end behind it: quoted with what follows the quotes, or plain."""
    other = f"[^{re.escape(delimiter)}{line_end}]*"
    return re.compile(f'"((?:[^"]|"")*+)"(?!")({other})|(?!")({other})', re.DOTALL)


def header_end(body: bytes, *, multi_line: bool) -> int:
    """Where the first record of `body` ends: behind its line feed, or at the end of it all."""
    start = 0
    if multi_line:
        while body.startswith(b"\r\n", start):
            start += 2
        at = start + 1  # the first character may be a line feed
    else:
        at = start = len(body) - len(body.lstrip(b"\n"))
    while (end := body.find(b"\n", at) + 1) > 0:
        # A quoted field goes on over line ends until its quotes are even.
        if not multi_line or body.count(b'"', start, end) % 2 == 0:
            return end
        at = end
    return len(body)


def column_names(header: Sequence[Field], width: int) -> tuple[str, ...]:
    """Names for `width` columns: those of the header without blanks around them, ColumnK where there is none.

    A repeated one gets a number behind it, counted through the whole header: `a,a,b,b` are a, a_1, b and b_2.
    """
    names: dict[str, None] = {}
    count = 0
    for index in range(max(width, len(header))):
        name = ((header[index] if index < len(header) else None) or "").strip() or f"Column{index + 1}"
        while name in names:
            count += 1
            name = f"{name}_{count}"
        names[name] = None
    return tuple(names)
