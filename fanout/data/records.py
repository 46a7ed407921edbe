"""Delimited text to records, by the letter: the slow, exact way, for headers and for blocks that are not regular.

A quote opens a field only at its beginning; in it, two quotes stand for one. A quote that is not closed on its line is
an ordinary character unless the table supports fields of several lines (reference, section 12).
"""

import csv
import io
import re
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache

_LINE_END = re.compile(r"\r\n|\n|\r")
_LINE_END_BYTES = re.compile(rb"\r\n|\n|\r")


def split_records(text: str, delimiter: str, *, multi_line: bool) -> Iterator[list[str]]:
    """The fields of each record; blank lines are none."""
    if multi_line and '"' in text:
        yield from _split_multi_line(text, delimiter)
        return
    for line in _LINE_END.split(text):
        if line:
            yield split_line(line, delimiter) if '"' in line else line.split(delimiter)


def _split_multi_line(text: str, delimiter: str) -> Iterator[list[str]]:
    # The limit is the process's own, and the user's code may rely on it.
    before = csv.field_size_limit(sys.maxsize)
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    finally:
        csv.field_size_limit(before)
    return filter(None, records)


def split_line(line: str, delimiter: str) -> list[str]:
    """The fields of one line; a quote that is never closed is text, and so is all that follows it."""
    fields: list[str] = []
    at = 0
    pattern = _field_pattern(delimiter)
    while True:
        found = pattern.match(line, at)
        if found is None:  # only an unclosed quote is no field
            return [*fields, line[at:]]
        quoted, after, plain = found.groups()
        fields.append(plain if quoted is None else quoted.replace('""', '"') + after)
        at = found.end() + 1
        if at > len(line):
            return fields


def ends_inside_quotes(line: str, delimiter: str) -> bool:
    """Whether the last quote of a line is never closed."""
    pattern, at = _field_pattern(delimiter), 0
    while at <= len(line):
        found = pattern.match(line, at)
        if found is None:
            return True
        at = found.end() + 1
    return False


@lru_cache(maxsize=16)
def _field_pattern(delimiter: str) -> re.Pattern[str]:
    """One field up to the delimiter behind it: quoted with what follows the quotes, or plain."""
    other = f"[^{re.escape(delimiter)}]*"
    return re.compile(f'"((?:[^"]|"")*+)"(?!")({other})|(?!")({other})', re.DOTALL)


def header_end(body: bytes, *, multi_line: bool) -> int:
    """Where the first record of `body` ends: behind its line break, or at the end of it all."""
    start = len(body) - len(body.lstrip(b"\r\n"))
    for found in _LINE_END_BYTES.finditer(body, start):
        # A quoted field goes on over line ends until its quotes are even.
        if not multi_line or body.count(b'"', start, found.end()) % 2 == 0:
            return found.end()
    return len(body)


def column_names(header: Sequence[str], width: int) -> tuple[str, ...]:
    """Names for `width` columns: those of the header, ColumnK where there is none, `_1`, `_2`... for repeated ones."""
    names: dict[str, None] = {}
    for index in range(max(width, len(header))):
        wanted = (header[index] if index < len(header) else "") or f"Column{index + 1}"
        name, count = wanted, 0
        while name in names:
            count += 1
            name = f"{wanted}_{count}"
        names[name] = None
    return tuple(names)
