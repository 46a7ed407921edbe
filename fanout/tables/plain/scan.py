"""One pass over all of a table of plain text, before it is planned: what its columns hold, and that its rows are whole.

Blocks of some megabytes are read in order and looked at by a few threads, so memory is bounded whatever the size. A
block is read with the types seen so far, which is fast; only where a value does not fit them, or may be changed by
them, its texts are looked at one by one.
"""

import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fanout.errors import InputError
from fanout.files import uris
from fanout.tables.formats.delimited import by_pyarrow
from fanout.tables.formats.delimited_records import column_names, header_end
from fanout.tables.formats.readers import Delimited, JsonLines, to_utf8
from fanout.tables.plain.evidence import NOTHING, SUSPECT, Seen, expected_type, joined, seen_as, seen_in
from fanout.tables.plain.json_rows import objects_of
from fanout.tables.plain.text_rows import Origin, read_as_texts, read_exactly, records, row_starts
from fanout.tables.recipe import Column
from fanout.tables.values.conversion import arrow_type
from fanout.tables.values.types import INT64_MAX, INT64_MIN, STRING, ColumnType, Kind

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK = 4 * 1024 * 1024
LONGEST_ROW = 64 * 1024 * 1024
_THREADS = 4
_BOM = b"\xef\xbb\xbf"
_WIDE = ("utf16", "utf32")

Read = Callable[[int], bytes]
"""Gives the next bytes of a file, up to so many; none at its end."""
Files = Iterable[tuple[str, Read]]
"""The files of a table in order, each with what reads it from its start."""


class NotUtf8Error(Exception):
    """A file is not UTF-8; `others` is one before it that is, and has more than ASCII in it."""

    def __init__(self, uri: str, others: str | None, sample: bytes) -> None:
        super().__init__(uri)
        self.uri, self.others, self.sample = uri, others, sample


@dataclass(slots=True)
class Facts:
    """What a table, or a block of it, is found to hold."""

    seen: dict[str, Seen] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)  # of JSON: the rows that have a key
    rows: int = 0
    size: int = 0  # bytes, unpacked
    multi_line: bool = False  # a quoted value holds a line break
    blank_lines: bool = False  # some lines are nothing but a carriage return, or blank between rows of several lines

    def add(self, other: "Facts") -> None:
        """Takes in those of the next block."""
        self.seen = joined(self.seen, other.seen)
        for name, count in other.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count
        self.rows += other.rows
        self.size += other.size
        self.multi_line |= other.multi_line
        self.blank_lines |= other.blank_lines


@dataclass(frozen=True, slots=True)
class Block:
    """Whole rows of a file, UTF-8, without its header."""

    body: bytes
    origin: Origin


def scan_text(files: Files, reader: Delimited, names: Sequence[str], given: Mapping[str, ColumnType]) -> Facts:
    """The facts of a table of delimited text with these columns, of which those `given` have their types.

    InputError, with file and line, for a row that is no row of the table and a value that is not of a given type,
    unless misfits are taken as null. NotUtf8Error where the encoding is utf8 and a file is not.
    """
    plan = _TextScan(reader, tuple(names), given)
    facts = _scan((block for uri, read in files for block in plan.blocks(uri, read)), plan.look)
    facts.multi_line |= plan.multi_line_header
    return facts


def scan_json(files: Files, reader: JsonLines) -> Facts:
    """The facts of a table of JSON lines; InputError, with file and line, for a line that holds no object."""
    blocks = (block for uri, read in files for block in _line_blocks(uri, read, reader.encoding))
    facts = _scan(blocks, lambda block, _: _look_at_objects(block))
    gaps = {name: Seen.GAP for name, count in facts.counts.items() if count < facts.rows}
    facts.seen = joined(facts.seen, gaps)
    return facts


Look = Callable[[Block, Mapping[str, Seen]], Facts]


def _scan(blocks: Iterable[Block], look: Look) -> Facts:
    """All blocks looked at, in threads; what was found in the ones before says what to expect of the next."""
    whole, running = Facts(), deque["Future[Facts]"]()
    workers = min(_THREADS, os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        try:
            for block in blocks:
                running.append(pool.submit(look, block, dict(whole.seen)))
                # The first one shows what to expect of all others.
                while running and (len(running) > workers or not whole.rows):
                    whole.add(running.popleft().result())
            while running:
                whole.add(running.popleft().result())
        finally:
            for left in running:
                left.cancel()
    return whole


@dataclass(slots=True)
class _TextScan:
    """Looks at blocks of delimited text."""

    reader: Delimited
    names: tuple[str, ...]
    given: Mapping[str, ColumnType]
    multi_line_header: bool = False
    _non_ascii: str | None = None  # a file that is UTF-8 and has more than ASCII in it

    def blocks(self, uri: str, read: Read) -> Iterator[Block]:
        """The blocks of a file, its header checked and left out."""
        from_start = True
        for body, origin in cut_rows(uri, read, self.reader.encoding, quotes=True):
            self._check_encoding(body, uri)
            text = to_utf8(body, self.reader.encoding, from_start=from_start)
            if from_start and self.reader.header != "no_header":
                end = header_end(text, multi_line=True)
                self._check_header(text[:end], uri)
                lines = text.count(b"\n", 0, end)
                self.multi_line_header |= b"\n" in text[:end].strip()
                text, origin = text[end:], replace(origin, line=origin.line + lines)
            from_start = False
            if text:
                yield Block(text, origin)

    def _check_encoding(self, body: bytes, uri: str) -> None:
        if self.reader.encoding != "utf8" or body.isascii():
            return
        try:
            body.decode()
        except UnicodeDecodeError as exc:
            raise NotUtf8Error(uri, self._non_ascii, body[exc.start : exc.start + BLOCK]) from exc
        self._non_ascii = uri

    def _check_header(self, header: bytes, uri: str) -> None:
        first = next(records(header.decode(), replace(self.reader, support_multi_line=True)), [])
        found = column_names(first, len(first))
        if found != self.names:
            raise InputError(_other_header(uris.display(uri), found, self.names))

    def look(self, block: Block, seen: Mapping[str, Seen]) -> Facts:
        """What a block shows, when `seen` is what was seen before."""
        for multi_line in (False, True) if b'"' in block.body else (False,):
            reader = replace(self.reader, support_multi_line=multi_line)
            if (found := self._by_types(block, reader, seen)) is not None:
                return found
        return self._by_texts(block)

    def _mode(self, block: Block) -> Delimited:
        """The reader for lines, or for rows of several lines when only that makes rows of the right width."""
        modes = [replace(self.reader, support_multi_line=each) for each in (False, True)]
        if b'"' not in block.body:
            return modes[0]
        types = dict.fromkeys(self.names, arrow_type(STRING))
        if (mode := next((m for m in modes if by_pyarrow(block.body, m, types) is not None), None)) is not None:
            return mode
        text = block.body.decode()
        odd = [sum(len(record) != len(self.names) for record in records(text, mode)) for mode in modes]
        return modes[odd[1] < odd[0]]

    def _by_types(self, block: Block, reader: Delimited, seen: Mapping[str, Seen]) -> Facts | None:
        """The facts when all values fit what was seen before; None when some do not."""
        import pyarrow as pa

        expected = {name: expected_type(seen.get(name, NOTHING)) for name in self.names}
        types = {n: pa.string() if n in self.given else arrow_type(ColumnType(k)) for n, k in expected.items()}
        table = by_pyarrow(block.body, reader, types)
        if table is None:
            return None
        open_ = [n for n in self.names if n not in self.given and not seen.get(n, NOTHING) & Seen.TEXT]
        texts = [name for name in open_ if pa.types.is_string(types[name])]
        numbers = [name for name in open_ if name not in texts]
        found = {name: seen_in(table[name]) for name in texts}
        if numbers and _is_suspect(block.body, reader.delimiter):
            again = by_pyarrow(block.body, reader, types | dict.fromkeys(numbers, pa.string()), numbers)
            if again is None:
                return None
            found |= {name: seen_in(again[name], expected[name]) for name in numbers}
        else:
            found |= {name: _seen_typed(table[name], expected[name]) for name in numbers}
        if self.given:
            self._check_given(block, reader)
        return self._facts(block, reader, joined(found, dict(seen)), table.num_rows)

    def _by_texts(self, block: Block) -> Facts:
        reader = self._mode(block)
        table, _ = read_as_texts(block.body, reader, self.names, block.origin)
        if self.given:
            self._check_given(block, reader)
        return self._facts(block, reader, {name: seen_in(table[name]) for name in self.names}, table.num_rows)

    def _check_given(self, block: Block, reader: Delimited) -> None:
        columns = [Column(n, self.given.get(n, STRING), given=n in self.given) for n in self.names]
        read_exactly(block.body, reader, columns, block.origin)

    def _facts(self, block: Block, reader: Delimited, seen: dict[str, Seen], rows: int) -> Facts:
        body = block.body
        several = False
        if reader.support_multi_line:
            several = len(row_starts(body, multi_line=False)) != rows
            if several and len(row_starts(body, multi_line=True)) != rows:
                raise InputError(
                    f"{block.origin.at(0)} and behind it: some quoted values hold line breaks, and other values hold "
                    "quotes that are not doubled, so rows cannot be separated; write those quotes doubled"
                )
        blank = b"\n\r\n" in body or body.startswith((b"\r\n", b"\n")) or (several and b"\n\n" in body)
        return Facts(seen, {}, rows, len(body), several, blank)


def _seen_typed(column: "pa.ChunkedArray", kind: Kind) -> Seen:
    if column.null_count == len(column):
        return Seen.GAP if len(column) else NOTHING
    return seen_as(kind) | (Seen.GAP if column.null_count else NOTHING)


def _is_suspect(body: bytes, delimiter: str) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    mark = f"\\x{ord(delimiter):02x}"
    found: bool = pc.match_substring_regex(pa.array([body]), SUSPECT.format(mark))[0].as_py()
    return found


def _other_header(where: str, found: Sequence[str], names: Sequence[str]) -> str:
    if sorted(found) == sorted(names):
        what = "the columns of the first file in another order"
    else:
        others = [name for name in found if name not in names] or [name for name in names if name not in found]
        what = f"another first row than the first file: {', '.join(others[:3])[:120]}"
    return f"{where}: has {what}; give such files an input each, or set read.header: false if no file begins with names"


def cut_rows(uri: str, read: Read, encoding: str, *, quotes: bool) -> Iterator[tuple[bytes, Origin]]:
    """A file in blocks of whole rows, and where each comes from.

    With `quotes`, a line break behind an odd number of quotes ends no row, unless none else comes for a long while.
    """
    rest, start, line = b"", 0, 1
    limit = None if encoding in _WIDE else BLOCK
    while True:
        more = _read_all(read) if limit is None else read(limit)
        data, is_all = rest + more, not more or limit is None
        end = len(data) if is_all else _cut(data, quotes=quotes)
        if end:
            yield data[:end], Origin(uri, 0, line)
            start += end
            line += data.count(b"\n", 0, end)
        rest = data[end:]
        if is_all:
            return
        if len(rest) > LONGEST_ROW:
            raise InputError(
                f"{uris.display(uri)}:{line}: no row ends within {LONGEST_ROW >> 20} MiB; is it delimited text?"
            )


def _read_all(read: Read) -> bytes:
    return b"".join(iter(lambda: read(BLOCK), b""))


def _cut(data: bytes, *, quotes: bool) -> int:
    """Behind the last row that surely ends in the data; 0 when none does."""
    end = last = data.rfind(b"\n") + 1
    if not quotes or b'"' not in data:
        return end
    odd = data.count(b'"', 0, end) % 2
    while odd and end:
        before = data.rfind(b"\n", 0, end - 1) + 1
        odd ^= data.count(b'"', before, end) % 2
        end = before
    return end or (last if len(data) > LONGEST_ROW // 2 else 0)


def _line_blocks(uri: str, read: Read, encoding: str) -> Iterator[Block]:
    from_start = True
    for body, origin in cut_rows(uri, read, encoding, quotes=False):
        try:
            text = to_utf8(body, encoding, from_start=from_start)
            yield Block(text, origin)
        except UnicodeDecodeError as exc:
            raise InputError(f"{uris.display(uri)}: not {encoding}; set read.encoding to what it is in") from exc
        from_start = False


def _look_at_objects(block: Block) -> Facts:
    return _by_arrow(block.body) or _one_by_one(block)


def _by_arrow(body: bytes) -> Facts | None:
    """The facts where each key has values of one type; None where it has others, or pyarrow may take a digit."""
    import pyarrow as pa
    from pyarrow import json as arrow_json

    if _LONG_NUMBER.search(body) is not None:
        return None
    options = arrow_json.ReadOptions(use_threads=False, block_size=len(body) + 1)
    try:
        table = arrow_json.read_json(pa.BufferReader(body), read_options=options)
    except pa.ArrowException:
        return None
    lines = [line for line in map(bytes.lstrip, body.split(b"\n")) if line]
    if table.num_rows != len(lines) or not all(line.startswith(b"{") for line in lines):
        return None
    seen = {name: _of_arrow(table[name]) for name in table.column_names}
    return Facts(seen, dict.fromkeys(seen, table.num_rows), table.num_rows, len(body))


_LONG_NUMBER = re.compile(rb"[0-9][0-9.]{15}")


def _of_arrow(column: "pa.ChunkedArray") -> Seen:
    import pyarrow as pa

    gap = Seen.GAP if column.null_count else NOTHING
    kind = column.type
    if pa.types.is_null(kind):
        return gap
    if pa.types.is_boolean(kind):
        return gap | Seen.BOOL
    if pa.types.is_integer(kind):
        return gap | Seen.INT
    if pa.types.is_floating(kind):
        return gap | Seen.FLOAT
    return gap | (Seen.TEXT if pa.types.is_string(kind) or pa.types.is_timestamp(kind) else Seen.OTHER)


def _one_by_one(block: Block) -> Facts:
    seen: dict[str, Seen] = {}
    counts: dict[str, int] = {}
    rows = 0
    for _, row in objects_of(block.body, block.origin):
        rows += 1
        for name, value in row.items():
            seen[name] = seen.get(name, NOTHING) | _of_json(value)
            counts[name] = counts.get(name, 0) + 1
    return Facts(seen, counts, rows, len(block.body))


_OF_JSON = {bool: Seen.BOOL, float: Seen.FLOAT, str: Seen.TEXT, type(None): Seen.GAP}


def _of_json(value: object) -> Seen:
    if type(value) is int:
        if not INT64_MIN <= value <= INT64_MAX:
            return Seen.OTHER
        return Seen.INT if -(2**53) <= value <= 2**53 else Seen.INT | Seen.WIDE
    return _OF_JSON.get(type(value), Seen.OTHER)
