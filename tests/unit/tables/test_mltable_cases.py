"""Tables against the results that the original gave for them (tests/data/mltable-cases.json)."""

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from fanout.errors import InputError
from fanout.files.byte_ranges import read_head
from fanout.files.uris import to_path
from fanout.storage.access import Access
from fanout.tables.mltable_file import list_files, load_mltable
from fanout.tables.recipe import from_json
from fanout.tables.resolution import resolve_recipe
from fanout.tables.table_parts import Section, read_pieces
from fanout.tables.whole_table import load_table

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "data" / "mltable-cases.json").read_text())

# What our messages must say where the original fails; split_take is possible here.
OUR_ERRORS = {
    "jsonl_bad_error": r"a\.jsonl: invalid JSON line 'not json'",
    "unknown_transform": r"MLTable:\d+:\d+: .*unknown transformation 'bogus'; there are read_delimited, ",
    "two_reads": r"MLTable:\d+:\d+: .*a second read_delimited",
    "bad_header": r"MLTable:\d+:\d+: .*header: expected 'no_header', .* or 'all_files_same_headers', found 'nope'",
}
READABLE = [case for case in CASES if case["case"] not in OUR_ERRORS and case["case"] != "split_take"]
# The original lists a folder in the order of its directory; here it is sorted.
UNSORTED = {"no_transform"}


def lay_out(case: dict[str, Any], root: Path) -> Path:
    """The case's files and MLTable in a folder named as the case."""
    folder = root / case["case"]
    for name, content in case["files"].items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        binary = case["case"] == "latin1" or path.suffix in (".png", ".wav")
        path.write_bytes(bytes.fromhex(content) if binary else content.encode())
    table = case["mltable"]
    (folder / "MLTable").write_text(table if isinstance(table, str) else yaml.safe_dump(table, sort_keys=False))
    return folder


def values(frame: pd.DataFrame) -> list[list[Any]]:
    """The rows as JSON holds them."""
    return [[_plain(value) for value in row] for row in frame.astype(object).to_numpy().tolist()]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return None if pd.isna(value) else str(value)
    return None if isinstance(value, float) and pd.isna(value) else value


@pytest.mark.parametrize("case", READABLE, ids=lambda case: case["case"])
def test_whole_table_is_as_the_original_reads_it(case: dict[str, Any], tmp_path: Path) -> None:
    """Names, types, shape and values of a table read as a whole."""
    frame = load_table(str(lay_out(case, tmp_path)), Access())
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == case["dtypes"]
    assert list(frame.columns) == list(case["dtypes"])
    assert list(frame.shape) == case["shape"]
    rows = [[_rooted(value, tmp_path) for value in row] for row in values(frame)]
    expected = case["rows"]
    if case["case"] in UNSORTED:
        rows, expected = sorted(rows), sorted(expected)
    assert rows[: len(expected)] == expected


def _rooted(value: Any, root: Path) -> Any:
    return value.replace(str(root), "<ROOT>") if isinstance(value, str) else value


@pytest.mark.parametrize("case", READABLE, ids=lambda case: case["case"])
def test_recipe_names_the_partition_columns_and_survives_json(case: dict[str, Any], tmp_path: Path) -> None:
    """Partition keys are known without reading rows, and a recipe comes back from its JSON."""
    table = load_mltable(str(lay_out(case, tmp_path)), Access())
    files = [entry.uri for entry in list_files(table, Access())]
    recipe = resolve_recipe(table, files, lambda uri, size: read_head(uri, size, Access()))
    assert list(recipe.partition_names) == case["partition_keys"]
    assert from_json(recipe.to_json(), "recipe") == recipe


@pytest.mark.parametrize("name", OUR_ERRORS)
def test_what_the_original_refuses_is_refused_with_its_place(name: str, tmp_path: Path) -> None:
    """The message says what is wrong, where, and what would be right."""
    [case] = [case for case in CASES if case["case"] == name]
    with pytest.raises(InputError, match=OUR_ERRORS[name]):
        load_table(str(lay_out(case, tmp_path)), Access())


def test_take_works_on_a_table_that_will_be_split(tmp_path: Path) -> None:
    """The original refuses to split a table with take; here its rows are counted over the whole table."""
    [case] = [case for case in CASES if case["case"] == "split_take"]
    assert values(load_table(str(lay_out(case, tmp_path)), Access())) == [[i] for i in range(1, 16)]


SPLIT = [case for case in CASES if "partition_rows" in case]


@pytest.mark.parametrize("case", SPLIT, ids=lambda case: case["case"])
def test_blocks_hold_the_rows_that_the_original_puts_in_them(case: dict[str, Any], tmp_path: Path) -> None:
    """Each byte range that the rule gives is read to as many rows, of the same types as the whole table."""
    folder = lay_out(case, tmp_path)
    table = load_mltable(str(folder), Access())
    files = [entry.uri for entry in list_files(table, Access())]
    recipe = resolve_recipe(table, files, lambda uri, size: read_head(uri, size, Access()))
    pieces = [piece for uri in files for piece in blocks(uri, case["partition_size"])]
    frames = [read_pieces(recipe, [piece]) for piece in pieces]
    assert [len(frame) for frame in frames] == case["partition_rows"]
    assert [list(frame.index) for frame in frames] == [list(range(rows)) for rows in case["partition_rows"]]
    whole = pd.concat([frame for frame in frames if len(frame)], ignore_index=True)
    pd.testing.assert_frame_equal(whole, load_table(str(folder), Access()))


def blocks(uri: str, size: int) -> Iterator[Section]:
    """The rule of the reference, section 5.2, by the letter: a line from k*size < s <= (k+1)*size is in block k."""
    content = Path(to_path(uri)).read_bytes()
    starts = [0, *(i + 1 for i, byte in enumerate(content) if byte == 10 and i + 1 < len(content))]
    for block in range(-(-len(content) // size)):
        low, high = block * size, (block + 1) * size
        mine = [s for s in starts if low < s <= high or s == block == 0]
        after = [s for s in starts if s > high]
        start = mine[0] if mine else (after[0] if after else len(content))
        yield Section(uri, start, after[0] if after else len(content), "bytes")
