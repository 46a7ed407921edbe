"""What cutting needs to know of a recipe."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from fanout.errors import InputError
from fanout.planning.tables.layout import TableLayout, check_countable, layout_of
from fanout.tables.formats.readers import Delimited, HeaderMode, JsonLines, Parquet
from fanout.tables.recipe import TableRecipe
from fanout.tables.row_limits import RowLimits, row_limits
from fanout.tables.transformations import Filter, KeepColumns, Skip, Take, TakeSample, Transformation

KEEP, FILTER, SAMPLE = KeepColumns(("a",)), Filter('col("a") > 1'), TakeSample(0.5, 1)


@pytest.mark.parametrize(
    ("steps", "limits"),
    [
        ([], RowLimits(0, None)),
        ([Take(5)], RowLimits(0, 5)),
        ([Skip(3)], RowLimits(3, None)),
        ([Skip(3), Take(5)], RowLimits(3, 5)),
        ([Take(5), Skip(3)], RowLimits(3, 2)),
        ([Take(5), KEEP, Take(2), Skip(1), Skip(4)], RowLimits(5, 0)),
        ([Take(5), FILTER], RowLimits(0, 5)),
        ([FILTER, Take(5)], None),
        ([SAMPLE], None),
    ],
)
def test_row_limits(steps: Sequence[Transformation], limits: RowLimits | None) -> None:
    """take and skip come to one range of rows, unless a filter or sample before them hides which rows they count."""
    assert row_limits(steps) == limits


def test_layouts() -> None:
    """Which files may be cut anywhere, in which rows can be counted, and where the count of rows stays what it is."""
    assert layout_of(TableRecipe(Delimited())) == TableLayout()
    assert layout_of(TableRecipe(Parquet())) == TableLayout(parquet=True)
    multi = layout_of(TableRecipe(Delimited(support_multi_line=True)))
    assert (multi.splittable, multi.countable, multi.multi_line) == (False, True, True)
    wide = layout_of(TableRecipe(Delimited(encoding="utf16", support_multi_line=True)))
    assert (wide.splittable, wide.countable) == (False, False)
    differing = layout_of(TableRecipe(Delimited(header=HeaderMode.ALL_FILES_DIFFERENT_HEADERS)))
    assert (differing.splittable, differing.countable) == (False, False)
    assert not layout_of(TableRecipe(JsonLines(invalid_lines="drop"))).keeps_rows
    assert not layout_of(TableRecipe(Delimited(), steps=(FILTER,))).keeps_rows


def test_rows_that_cannot_be_counted() -> None:
    """take on a file of two bytes a character, and behind dropped lines, is refused with the reason."""
    with pytest.raises(InputError, match="take: the rows of these files cannot be found by their bytes"):
        layout_of(TableRecipe(Delimited(encoding="utf16"), steps=(Take(5),)))
    with pytest.raises(InputError, match="skip counts rows, and invalid_lines: drop"):
        layout_of(TableRecipe(JsonLines(invalid_lines="drop"), steps=(Skip(5),)))
    with pytest.raises(InputError, match="mini_batch_rows: "):
        check_countable(replace(TableLayout(), countable=False), "mini_batch_rows")
