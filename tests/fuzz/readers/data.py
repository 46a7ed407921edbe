"""Data: delimited text, JSON lines and parquet that is not what it says; cuts and their planning; recipes."""

import io
from dataclasses import replace
from functools import cache
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet as pq

from fanout.files import uris
from fanout.files.byte_ranges import open_bytes, read_head
from fanout.files.listing import FileEntry
from fanout.planning.tables.layout import layout_of
from fanout.planning.tables.row_cuts import TableAccess, split_blocks, split_rows
from fanout.records.mini_batch import Cut, Piece
from fanout.storage.access import Access
from fanout.tables.formats.row_groups import row_groups
from fanout.tables.mltable_file import parse_mltable
from fanout.tables.recipe import TableRecipe, from_json
from fanout.tables.resolution import resolve_recipe
from fanout.tables.table_parts import read_pieces
from tests.fuzz.reader import Reader
from tests.fuzz.readers.spec import project

ACCESS = Access()
CSV = (
    b'id,name,when,rate\n1,a,2024-01-31,0.5\n2,"b, c",2024-02-01T10:00:00Z,1e3\n3,,,\n',
    b'id\tx\r\n1\t"two\nlines"\r\n',
    b"\xef\xbb\xbfa,b\n\n1,2,3\n4\n",
)
JSONL = (b'{"a": 1, "b": [1, {"c": null}]}\n{"a": 2.5, "d": "x"}\n\n{"a": true}\n',)
OPTIONS = (
    "read_delimited: {delimiter: ',', header: all_files_same_headers}",
    "read_delimited: {delimiter: ',', support_multi_line: true, include_path_column: true}",
    "read_delimited: {delimiter: '\\t', header: all_files_different_headers}",
    "read_delimited: {delimiter: ',', header: no_header, encoding: utf16}",
    "read_delimited: {delimiter: ',', empty_as_string: true, encoding: latin1, infer_column_types: false}",
)


def _table(body: bytes, transformation: str, name: str) -> object:
    """Planned and read as a run does it: recipe, cuts by bytes and by rows, then every piece."""
    file = project() / name
    file.write_bytes(body)
    uri = uris.from_path(file)
    mltable = parse_mltable(
        f"paths: [{{file: ./{name}}}]\ntransformations: [{transformation}]".encode(), f"{uri}/MLTable"
    )
    recipe = resolve_recipe(mltable, iter([uri]), lambda uri, size: read_head(uri, size, ACCESS))
    assert from_json(recipe.to_json(), "recipe") == recipe
    entry, layout = FileEntry(uri, len(body)), layout_of(recipe)
    reader = TableAccess(
        open=lambda e: open_bytes(e.uri, e.size, ACCESS),
        row_groups=lambda e: row_groups(e.uri, e.size, ACCESS),
        has_header=recipe.has_header,
    )
    whole = read_pieces(recipe, [Piece(uri, 0, len(body), Cut.WHOLE)])
    parts = [
        read_pieces(recipe, batch.pieces) for batch in split_blocks(iter([entry]), layout, 64 + len(body) // 8, reader)
    ]
    assert sum(map(len, parts)) == len(whole), f"{sum(map(len, parts))} rows in parts, {len(whole)} in the whole"
    if layout.countable:
        counted = [
            read_pieces(recipe, batch.pieces)
            for batch in split_rows(iter([entry]), layout, 2 + len(whole) // 8, reader)
        ]
        assert sum(map(len, counted)) == len(whole), f"{sum(map(len, counted))} counted, {len(whole)} in the whole"
    return whole


def _delimited(body: bytes) -> object:
    option = OPTIONS[sum(body[:8]) % len(OPTIONS)]
    return _table(body, option, "table.csv")


def _json_lines(body: bytes) -> object:
    option = ("read_json_lines: {invalid_lines: drop}", "read_json_lines: {encoding: utf8}")[sum(body[:8]) % 2]
    return _table(body, option, "table.jsonl")


def _parquet(body: bytes) -> object:
    return _table(body, "read_parquet", "table.parquet")


@cache
def _parquet_seed() -> tuple[bytes, ...]:
    table = pa.table({"a": [1, 2, None], "b": ["x", "y", "z"], "c": [[1], [], None]})
    plain, small = io.BytesIO(), io.BytesIO()
    pq.write_table(table, plain, row_group_size=2, compression="snappy")
    pq.write_table(table.select(["a"]), small, compression="none", use_dictionary=False)
    return plain.getvalue(), small.getvalue()


def _recipe(body: bytes) -> object:
    recipe = from_json(body, "plan.json")
    assert from_json(recipe.to_json(), "again") == recipe
    return replace(recipe, columns=()), recipe.partition_names, recipe.unneeded, layout_of(recipe)


@cache
def _recipe_seed() -> bytes:
    file = project() / "seed.csv"
    file.write_bytes(CSV[0])
    text = f"paths: [{{file: ./seed.csv}}]\ntransformations: [{OPTIONS[0]}, filter: 'col(\"id\") > 1', take: 2]"
    mltable = parse_mltable(text.encode(), uris.from_path(Path(project(), "MLTable")))
    found: TableRecipe = resolve_recipe(mltable, iter([uris.from_path(file)]), lambda _, size: CSV[0][:size])
    return found.to_json().encode()


READERS = (
    Reader("delimited text", CSV, _delimited),
    Reader("JSON lines", JSONL, _json_lines),
    Reader("parquet", _parquet_seed(), _parquet),
    Reader("table recipe", (_recipe_seed(),), _recipe),
)
