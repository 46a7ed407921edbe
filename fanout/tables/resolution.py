"""From an MLTable to a recipe: the names and types of the columns, judged once by the head of the table.

Reads a little at the beginning of as many files as it takes to see the first 200 rows, mostly one.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from fanout.errors import InputError
from fanout.files import uris
from fanout.tables.formats.delimited_records import column_names, split_records
from fanout.tables.formats.json_lines import Row, read_rows
from fanout.tables.formats.readers import SAMPLE_ROWS, Delimited, DeltaLake, HeaderMode, JsonLines, Parquet, decode
from fanout.tables.mltable_file import MLTableFile
from fanout.tables.recipe import Column, TableRecipe
from fanout.tables.transformations import early_conversions, keeps_rows
from fanout.tables.values.types import STRING, ColumnType, Kind, are_bits, infer

HEAD_SIZE = 64 * 1024
HEAD_LIMIT = 16 * 1024 * 1024

ReadHead = Callable[[str, int], bytes]
Texts = list[str | None]


def resolve_recipe(table: MLTableFile, files: Iterable[str], read_head: ReadHead) -> TableRecipe:
    """How this table is read. `files` are its files in order; only the first few are asked for.

    `read_head(uri, size)` gives the first `size` bytes of a file, or all when it is shorter. InputError when the head
    cannot be read as the MLTable says.
    """
    match table.reader:
        case Delimited() as reader:
            recipe = _resolve_delimited(table, reader, files, read_head)
        case JsonLines() as reader:
            recipe = TableRecipe(reader, tuple(_json_columns(reader, files, read_head)), table.transformations)
        case DeltaLake(columns=columns) as reader:
            recipe = TableRecipe(reader, tuple(Column(*column) for column in columns), table.transformations)
        case Parquet() as reader:
            # Whether the files have the same columns is seen when their footers are read.
            steps = table.transformations
            recipe = TableRecipe(reader, steps=steps, keeps_types=keeps_rows(steps))
        case reader:
            recipe = TableRecipe(reader, (), table.transformations)
    return recipe


@dataclass(slots=True)
class _Head:
    """The first rows of a delimited table, as they are gathered."""

    header: Texts = field(default_factory=list)
    header_uri: str | None = None
    rows: list[Texts] = field(default_factory=list)
    named: dict[str, Texts] = field(default_factory=dict)  # where every file has names of its own
    count: int = 0


def _resolve_delimited(table: MLTableFile, reader: Delimited, files: Iterable[str], read_head: ReadHead) -> TableRecipe:
    head = _gather(reader, files, read_head)
    if reader.header is HeaderMode.ALL_FILES_DIFFERENT_HEADERS:
        texts = head.named
    else:
        width = max(map(len, head.rows), default=0)
        by_column = [list(column) for column in zip_longest(*head.rows)] + [[]] * max(0, len(head.header) - width)
        texts = dict(zip(column_names(head.header, width), by_column, strict=True))
    overrides, wanted = dict(reader.overrides), dict(early_conversions(table.transformations))
    shown = {name: overrides.get(name) or _inferred(reader, values) for name, values in texts.items()}
    columns = []
    for name, type_ in shown.items():
        bits = type_.kind is Kind.BOOLEAN and name not in overrides and are_bits(texts[name])
        if type_ == STRING and name in wanted:
            columns.append(Column(name, wanted[name], given=True))
        else:
            columns.append(Column(name, type_, given=name in overrides, bits=bits))
    return TableRecipe(reader, tuple(columns), table.transformations, head.header_uri)


def _inferred(reader: Delimited, values: Sequence[str | None]) -> ColumnType:
    if not reader.infer_column_types:
        return STRING
    return infer(values)


def _gather(reader: Delimited, files: Iterable[str], read_head: ReadHead) -> _Head:
    head = _Head()
    for uri in files:
        records = _head_records(reader, uri, read_head, reader.sample_rows - head.count + 1)
        if records:
            _add(head, reader, uri, records)
        if head.count >= reader.sample_rows:
            break
    return head


def _add(head: _Head, reader: Delimited, uri: str, records: list[Texts]) -> None:
    """Take the names, where this file has them, and the rows of a file's beginning."""
    room = reader.sample_rows - head.count
    is_first = head.header_uri is None
    with_names = reader.header is not HeaderMode.NO_HEADER and (
        is_first or reader.header is not HeaderMode.FROM_FIRST_FILE
    )
    names, rows = (records[0], records[1 : room + 1]) if with_names else ([], records[:room])
    if is_first:
        head.header, head.header_uri = names, uri
    if reader.header is HeaderMode.ALL_FILES_DIFFERENT_HEADERS:
        if rows:
            width = max(map(len, rows))
            _add_named(head, column_names(names, width)[:width], rows)
    else:
        head.rows += rows
    head.count += len(rows)


def _add_named(head: _Head, names: Sequence[str], rows: list[Texts]) -> None:
    by_column: list[Texts] = [list(column) for column in zip_longest(*rows)]
    columns = dict(zip_longest(names, by_column))
    for name in [*head.named, *(name for name in names if name not in head.named)]:
        before = head.named.setdefault(name, [None] * head.count)
        before += columns.get(name) or [None] * len(rows)


def _head_records(reader: Delimited, uri: str, read_head: ReadHead, wanted: int) -> list[Texts]:
    """The first `wanted` records of a file, fewer when it has no more (or they are longer than the limit)."""
    for text, is_all in _growing_head(uri, reader.encoding, read_head):
        empty = "" if reader.empty_as_string else None
        records = list(split_records(text, reader.delimiter, multi_line=reader.support_multi_line, empty=empty))
        if not is_all and reader.support_multi_line:
            records = records[:-1]  # may go on behind the head
        if is_all or len(records) >= wanted:
            return records[:wanted]
    if not records:
        raise InputError(
            f"{uris.display(uri)}: no line ends in its first {HEAD_LIMIT >> 20} MiB; is it delimited text?"
        )
    return records


def _growing_head(uri: str, encoding: str, read_head: ReadHead) -> Iterator[tuple[str, bool]]:
    """The whole lines in the beginning of a file, each time more of them, and whether that is all there is."""
    size = HEAD_SIZE
    while size <= HEAD_LIMIT:
        raw = read_head(uri, size)
        is_all = len(raw) < size
        text = _decode(raw, uri, encoding, is_all=is_all)
        yield (text if is_all else text[: text.rfind("\n") + 1]), is_all
        if is_all:
            return
        size *= 4


def _decode(raw: bytes, uri: str, encoding: str, *, is_all: bool) -> str:
    try:
        return decode(raw, encoding, is_all=is_all).removeprefix("\ufeff")
    except UnicodeError as exc:
        where = f"byte {exc.start}" if isinstance(exc, UnicodeDecodeError) else f"its beginning ({exc})"
        raise InputError(
            f"{uris.display(uri)}: {where} is not {encoding}; set the reader's encoding to what the file "
            "is in, such as windows1252"
        ) from exc


def _json_columns(reader: JsonLines, files: Iterable[str], read_head: ReadHead) -> Iterator[Column]:
    """The first value of a column says its type, in the head as in the whole table."""
    firsts: dict[str, object] = {}
    for row in _head_rows(reader, files, read_head):
        for name, value in row.items():
            if firsts.get(name) is None:
                firsts[name] = value
    return (Column(name, ColumnType(_JSON_KINDS.get(type(value), Kind.STRING))) for name, value in firsts.items())


_JSON_KINDS: dict[type, Kind] = {bool: Kind.BOOLEAN, int: Kind.INT, float: Kind.FLOAT}


def _head_rows(reader: JsonLines, files: Iterable[str], read_head: ReadHead) -> Iterator[Row]:
    left = SAMPLE_ROWS
    for uri in files:
        rows = _json_head(reader, uri, read_head, left)
        yield from rows
        left -= len(rows)
        if left <= 0:
            return


def _json_head(reader: JsonLines, uri: str, read_head: ReadHead, wanted: int) -> list[Row]:
    rows: list[Row] = []
    for text, is_all in _growing_head(uri, reader.encoding, read_head):
        try:
            rows = list(read_rows(text.encode(), reader))
        except InputError as exc:
            raise InputError(f"{uris.display(uri)}: {exc}") from exc
        if is_all or len(rows) >= wanted:
            break
    return rows[:wanted]
