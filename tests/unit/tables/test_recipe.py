"""Recipes, and their JSON."""

import json
from typing import Any

import pytest

from fanout.errors import DamagedRecordError
from fanout.tables.formats.readers import Delimited, HeaderMode, JsonLines, Parquet, Reader
from fanout.tables.recipe import Column, TableRecipe, from_json
from fanout.tables.transformations import (
    Conversion,
    ConvertColumnTypes,
    DropColumns,
    ExtractPartitions,
    Filter,
    KeepColumns,
    Skip,
    Take,
    TakeSample,
)
from fanout.tables.values.column_pattern import ColumnPattern
from fanout.tables.values.types import STRING, ColumnType, Kind

DAY = ColumnType(Kind.DATETIME, formats=("%d/%m/%Y",))
FULL = TableRecipe(
    Delimited(delimiter="\t", overrides=(("a", STRING),)),
    (Column("a", STRING), Column("é", DAY)),
    (
        KeepColumns(("a", "é")),
        DropColumns((), ColumnPattern("b", invert=True)),
        Filter('col("a") == "x"'),
        ConvertColumnTypes((Conversion(("a",), ColumnType(Kind.BOOLEAN, None, ("yes",), ("no",), "error")),)),
        ExtractPartitions("{k}.csv"),
        Take(5),
        Skip(1),
        TakeSample(0.5, 3),
    ),
    "file:///a.csv",
)


@pytest.mark.parametrize("recipe", [FULL, TableRecipe(None), TableRecipe(JsonLines()), TableRecipe(Parquet())])
def test_a_recipe_comes_back_from_its_json(recipe: TableRecipe) -> None:
    """Equal, whatever it holds, and the text is the same again."""
    text = recipe.to_json()
    assert from_json(text, "recipe") == recipe
    assert from_json(text, "recipe").to_json() == text


def test_a_recipe_of_before_widens_parquet() -> None:
    """A plan that says nothing of types is read as it was planned."""
    fields = json.loads(TableRecipe(Parquet(), keeps_types=True).to_json())
    del fields["keeps_types"]
    assert from_json(json.dumps(fields), "recipe") == TableRecipe(Parquet())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), 2),
        (("extra",), 1),
        (("reader", "kind"), "xml"),
        (("reader", "splittable"), True),
        (("reader", "header"), "nope"),
        (("columns", 0, "type", "kind"), "text"),
        (("columns", 0, "name"), 5),
        (("steps", 5, "count"), "5"),
    ],
)
def test_an_altered_recipe_is_refused(path: tuple[Any, ...], value: Any) -> None:
    """Nothing is guessed; the message names the record and the place in it."""
    fields = json.loads(FULL.to_json())
    inner = fields
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(DamagedRecordError, match=rf"runs/x/plan\.json: not a table's recipe: {path[0]}"):
        from_json(json.dumps(fields), "runs/x/plan.json")


def test_a_truncated_recipe_is_refused() -> None:
    """As any text that is not JSON."""
    with pytest.raises(DamagedRecordError, match="not a table's recipe"):
        from_json(FULL.to_json()[:-5], "plan.json")


def test_what_the_planner_asks_a_recipe() -> None:
    """Global steps, partition names, and whether rows know their file."""
    assert FULL.global_rows == (Take(5), Skip(1), TakeSample(0.5, 3))
    assert FULL.partition_names == ("k",)
    assert not FULL.include_path_column
    assert TableRecipe(None).include_path_column
    assert FULL.unneeded == {"é"}


@pytest.mark.parametrize(
    ("reader", "splittable"),
    [
        (None, False),
        (Delimited(), True),
        (Delimited(support_multi_line=True), False),
        (Delimited(encoding="utf16"), False),
        (Delimited(encoding="latin1"), True),
        (Delimited(header=HeaderMode.ALL_FILES_DIFFERENT_HEADERS), False),
        (JsonLines(), True),
        (JsonLines(encoding="utf32"), False),
        (Parquet(), True),
    ],
)
def test_which_files_may_be_cut_at_line_starts(reader: Reader | None, splittable: bool) -> None:
    """Only those whose ranges can be read on their own."""
    assert TableRecipe(reader).splittable is splittable


@pytest.mark.parametrize(
    ("mode", "first", "second"),
    [
        (HeaderMode.NO_HEADER, False, False),
        (HeaderMode.FROM_FIRST_FILE, True, False),
        (HeaderMode.ALL_FILES_SAME_HEADERS, True, True),
        (HeaderMode.ALL_FILES_DIFFERENT_HEADERS, True, True),
    ],
)
def test_which_files_begin_with_names(mode: HeaderMode, first: bool, second: bool) -> None:
    """The header modes (reference, section 12)."""
    recipe = TableRecipe(Delimited(header=mode), header_uri="file:///1")
    assert (recipe.has_header("file:///1"), recipe.has_header("file:///2")) == (first, second)
    assert not TableRecipe(JsonLines()).has_header("file:///1")
