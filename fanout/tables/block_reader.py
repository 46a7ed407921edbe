"""Parts of a table's files to one block of its rows, before any transformation."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fanout.errors import InputError
from fanout.files import uris
from fanout.records.value_changes import LONGEST, Change, How
from fanout.tables.blocks import Block
from fanout.tables.file_parts import FilePart, Section, read_bytes
from fanout.tables.formats import delta, parquet
from fanout.tables.formats.delimited import read_both, read_texts
from fanout.tables.formats.delimited_records import column_names, header_end, split_records
from fanout.tables.formats.json_lines import Row, read_rows, to_columns
from fanout.tables.formats.readers import Delimited, DeltaLake, HeaderMode, JsonLines, Parquet, is_plain, to_utf8
from fanout.tables.plain.json_rows import read_plain_json
from fanout.tables.plain.text_rows import Origin, read_exactly
from fanout.tables.recipe import PATH, TableRecipe
from fanout.tables.transformations import early_conversions
from fanout.tables.values.changed_values import changes_in, has_leading_zeros, lost_in_json, numbers_of, zeros_of
from fanout.tables.values.conversion import convert_texts, object_values, own_values, text_values, to_frame, to_values
from fanout.tables.values.null_hints import NullHint, null_hint
from fanout.tables.values.types import Kind, infer

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    Array = np.ndarray[Any, Any]

_LINES = re.compile(rb"[^\n]*\n|[^\n]+")


def read_block(recipe: TableRecipe, pieces: Sequence[FilePart]) -> Block:
    """The rows of `pieces` before any transformation, with the Path column if it is wanted.

    InputError, naming the file, when one cannot be read.
    """
    import numpy as np

    changes: list[Change] = []
    columns, marks, counts = _read_columns(recipe, [Section.of(piece) for piece in pieces], changes)
    names = [piece.uri for piece in pieces]
    sources = np.repeat(np.arange(len(pieces)), counts)
    if recipe.include_path_column:
        columns.pop(PATH, None)
        columns = {PATH: object_values([_path_text(uri) for uri in names])[sources], **columns}
    return Block(to_frame(columns, len(sources)), names, sources, marks, tuple(changes))


def _path_text(uri: str) -> str:
    """A file as it stands in the Path column: a plain path when it is local, else its URI."""
    return uris.path_of(uri) if uris.is_local(uri) else uri


_Columns = tuple[dict[str, "Array"], dict[str, NullHint]]


def _read_columns(
    recipe: TableRecipe, pieces: Sequence[Section], changes: list[Change]
) -> tuple[dict[str, "Array"], dict[str, NullHint], list[int]]:
    """The columns of all pieces together, what gaps did to them, and how many rows each piece gave.

    What their types have changed is added to `changes`.
    """
    match recipe.reader:
        case Delimited() as reader:
            tables = [_read_delimited(recipe, reader, piece, changes) for piece in pieces]
            return *_join(_settled(recipe, reader, tables) if tables else []), [t.num_rows for t in tables]
        case JsonLines() as reader:
            return _read_json_lines(recipe, reader, pieces, changes)
        case Parquet() | DeltaLake():
            tables = [_read_parquet(recipe, piece) for piece in pieces]
            counts = [table.num_rows for table in tables]
            if recipe.keeps_types and parquet.have_same_columns(tables):
                return *_join_own(tables, exact=is_plain(recipe.reader)), counts
            return *_join(tables), counts
        case None:
            return {}, {}, [1] * len(pieces)


def _join(tables: "Sequence[pa.Table]") -> _Columns:
    """The columns of all tables, one below the other; null where a table does not have one."""
    if not tables:
        return {}, {}
    table = _as_one(tables)
    columns = dict(zip(table.column_names, table.columns, strict=True))
    marks = {name: mark for name, column in columns.items() if (mark := null_hint(column)) is not None}
    return {name: to_values(column) for name, column in columns.items()}, marks


def _join_own(tables: "Sequence[pa.Table]", *, exact: bool) -> _Columns:
    """The columns of tables that have the same ones, with the types that the files have; `exact`: no digit is lost."""
    with_rows = [table for table in tables if table.num_rows] or tables[:1]
    if not with_rows:
        return {}, {}
    table = _as_one(with_rows)
    pairs = zip(table.column_names, table.columns, strict=True)
    columns = {name: _own(name, column, exact=exact) for name, column in pairs}
    return columns, dict.fromkeys(columns, NullHint.OWN)


def _own(name: str, column: "pa.ChunkedArray", *, exact: bool) -> "Array":
    import pyarrow as pa

    try:
        values: Array = own_values(column, exact=exact)
    except (pa.ArrowException, LookupError, ValueError, OverflowError) as exc:
        # A zone that this machine does not know, a day behind the year 9999.
        raise InputError(f"column {name}: {column.type} cannot be read with its own type: {exc}") from exc
    return values


def _as_one(tables: "Sequence[pa.Table]") -> "pa.Table":
    import pyarrow as pa

    try:
        return tables[0] if len(tables) == 1 else _below_each_other(tables)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as exc:
        raise InputError(f"the files of the table do not fit together: {exc}") from exc


def _below_each_other(tables: "Sequence[pa.Table]") -> "pa.Table":
    import pyarrow as pa

    # Texts may come as a dictionary from one file, and as they are from the next.
    return pa.concat_tables(map(parquet.with_plain_texts, tables), promote_options="permissive")


def _read_delimited(recipe: TableRecipe, reader: Delimited, piece: Section, changes: list[Change]) -> "pa.Table":
    rows_of = _plain_rows if reader.misfits else _delimited_rows
    try:
        body = to_utf8(read_bytes(piece, packed=reader.packed), reader.encoding, from_start=piece.from_start)
        return rows_of(recipe, reader, piece, body, changes)
    except UnicodeDecodeError as exc:
        key = "read" if reader.misfits else "read_delimited"
        raise InputError(
            f"{uris.display(piece.uri)}: not {reader.encoding} at byte {exc.start} of what was read from byte "
            f"{piece.start if piece.cut == 'bytes' else 0}; set {key}.encoding to what the file is in"
        ) from exc


def _plain_rows(
    recipe: TableRecipe, reader: Delimited, piece: Section, body: bytes, changes: list[Change]
) -> "pa.Table":
    header = header_end(body, multi_line=True) if piece.from_start and recipe.has_header(piece.uri) else 0
    start = piece.start if piece.cut == "bytes" else 0
    origin = Origin(piece.uri, start, 1 + body.count(b"\n", 0, header))
    rows = read_exactly(body[header:], reader, recipe.columns, origin)
    changes += rows.changes
    return rows.values


def _delimited_rows(
    recipe: TableRecipe, reader: Delimited, piece: Section, body: bytes, changes: list[Change]
) -> "pa.Table":
    header = b""
    if piece.from_start and recipe.has_header(piece.uri):
        end = header_end(body, multi_line=reader.support_multi_line)
        header, body = body[:end], body[end:]
    if piece.cut == "rows" and not reader.support_multi_line:
        body = b"".join([line for line in _LINES.findall(body) if line != b"\n"][piece.start : piece.stop])
    if reader.header is HeaderMode.ALL_FILES_DIFFERENT_HEADERS:
        return _slice(read_texts(body, reader, _names_in(header, reader)), reader, piece)
    written, table = read_both(body, reader, {c.name: c.type for c in recipe.columns}, recipe.unneeded)
    written, table = _slice(written, reader, piece), _slice(table, reader, piece)
    changes += _changes(recipe, reader, piece, body, 1 if header else 0, written, table)
    return table


def _slice(table: "pa.Table", reader: Delimited, piece: Section) -> "pa.Table":
    """The rows of the piece, where lines could not be cut before they were read."""
    lines_cut = piece.cut != "rows" or not reader.support_multi_line
    return table if lines_cut else table.slice(piece.start, piece.stop - piece.start)


def _changes(
    recipe: TableRecipe,
    reader: Delimited,
    piece: Section,
    body: bytes,
    header: int,
    written: "pa.Table",
    values: "pa.Table",
) -> tuple[Change, ...]:
    """What the types have changed; texts are read again only where a number may have lost its zeros."""
    columns, start = recipe.columns, piece.start if piece.cut == "bytes" else 0
    numbers = [name for name in numbers_of(columns, recipe.unneeded) if name in written.column_names]
    line = None if reader.support_multi_line else header + 1 + (piece.start if piece.cut == "rows" else 0)
    found = changes_in(written, values, columns, piece.uri, start, line)
    typed = [name for name in numbers if written.schema.field(name).type == values.schema.field(name).type]
    if not typed or not reader.delimiter.isascii() or not has_leading_zeros(body, reader.delimiter):
        return found
    places = {column.name: place for place, column in enumerate(columns) if column.name in typed}
    zeros = zeros_of(body, reader.delimiter, places, written.num_rows, len(columns))
    if zeros is not None and line is not None:
        lost = (Change(n[:LONGEST], How.ZEROS, c, t[:LONGEST], piece.uri, start, line + row) for n, c, t, row in zeros)
        return found + tuple(lost)
    again = _slice(read_texts(body, reader, [column.name for column in columns], typed), reader, piece)
    texts = again.select([name for name in typed if name in again.column_names])
    return found + changes_in(texts, values, columns, piece.uri, start, line)


def _names_in(header: bytes, reader: Delimited) -> tuple[str, ...]:
    records = split_records(header.decode(), reader.delimiter, multi_line=reader.support_multi_line)
    return column_names(next(records, []), 0)


def _settled(recipe: TableRecipe, reader: Delimited, tables: "list[pa.Table]") -> "list[pa.Table]":
    """Where every file has names of its own: one table with the known columns first, and types for the others too."""
    import pyarrow as pa

    if reader.header is not HeaderMode.ALL_FILES_DIFFERENT_HEADERS:
        return tables
    known = {column.name: column.type for column in recipe.columns}
    schema = pa.table({name: pa.array([], pa.string()) for name in known})
    whole = pa.concat_tables([schema, *filter(len, tables)], promote_options="default")
    head = whole.slice(0, reader.sample_rows)
    others = [name for name in whole.column_names if name not in known] if reader.infer_column_types else []
    return [convert_texts(whole, known | {name: infer(text_values(head[name]).tolist()) for name in others})]


def _read_json_lines(
    recipe: TableRecipe, reader: JsonLines, pieces: Sequence[Section], changes: list[Change]
) -> tuple[dict[str, "Array"], dict[str, NullHint], list[int]]:
    import pyarrow as pa

    if reader.misfits:
        return read_plain_json(reader, recipe.columns, pieces, changes)
    parts = [_json_rows(reader, piece) for piece in pieces]
    wanted = {name: type_ for name, type_ in early_conversions(recipe.steps) if type_.kind is not Kind.DATETIME}
    known = {column.name: column.type for column in recipe.columns}
    rows = [row for part in parts for row in part]
    columns = to_columns(rows, known, wanted)
    changes += lost_in_json(rows, columns, pieces[0].uri if pieces else "")
    return *_join([pa.table(columns)]), [len(part) for part in parts]


def _json_rows(reader: JsonLines, piece: Section) -> list[Row]:
    try:
        body = to_utf8(read_bytes(piece), reader.encoding, from_start=piece.from_start)
        rows = list(read_rows(body, reader))
    except UnicodeDecodeError as exc:
        raise InputError(f"{uris.display(piece.uri)}: not {reader.encoding}; set read_json_lines.encoding") from exc
    except InputError as exc:
        raise InputError(f"{uris.display(piece.uri)}: {exc}") from exc
    return rows[piece.start : piece.stop] if piece.cut == "rows" else rows


def read_own_types(recipe: TableRecipe, piece: Section) -> "pa.Table":
    """The rows of a piece of parquet as its file has them, texts without dictionaries; the Path column is not there."""
    rows = parquet.with_plain_texts(_parquet_rows(recipe, piece))
    return rows.drop_columns([PATH]) if recipe.include_path_column and PATH in rows.column_names else rows


def _read_parquet(recipe: TableRecipe, piece: Section) -> "pa.Table":
    rows = _parquet_rows(recipe, piece)
    if isinstance(recipe.reader, DeltaLake):
        return delta.complete(parquet.with_plain_texts(rows), recipe.reader, piece.uri, recipe.unneeded)
    return rows


def _parquet_rows(recipe: TableRecipe, piece: Section) -> "pa.Table":
    match piece.cut:
        case "row_groups":
            return parquet.read_row_groups(piece.local_path, piece.start, piece.stop, recipe.steps)
        case "rows":
            return parquet.read_rows(piece.local_path, piece.start, piece.stop, recipe.steps)
        case _:
            return parquet.read_all(piece.local_path, recipe.steps)
