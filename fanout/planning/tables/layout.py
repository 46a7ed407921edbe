"""What cutting needs to know of a table's recipe: whether its files may be cut, and which rows it wants. Pure."""

from dataclasses import dataclass

from fanout.errors import InputError
from fanout.tables.formats.readers import Delimited, JsonLines
from fanout.tables.recipe import TableRecipe
from fanout.tables.row_limits import EVERY_ROW, RowLimits, row_limits
from fanout.tables.transformations import Filter, TakeSample


@dataclass(frozen=True, slots=True)
class TableLayout:
    """How rows lie in a table's files, and which are wanted, as far as cutting needs to know."""

    parquet: bool = False
    multi_line: bool = False  # a quoted value may hold line breaks
    splittable: bool = True  # a range of bytes can be read on its own
    countable: bool = True  # rows can be found by their bytes, and read without the head of their file
    limits: RowLimits | None = EVERY_ROW  # None: which rows are wanted shows only when all are read
    keeps_rows: bool = True  # each wanted row of a file becomes a row of the frame: no filter, no dropped lines


def layout_of(recipe: TableRecipe) -> TableLayout:
    """The layout of a table; InputError when what its MLTable wants cannot be found out before it is split."""
    reader, steps = recipe.reader, recipe.steps
    drops = isinstance(reader, JsonLines) and reader.invalid_lines == "drop"
    layout = TableLayout(
        parquet=recipe.is_parquet,
        multi_line=isinstance(reader, Delimited) and reader.support_multi_line,
        splittable=recipe.splittable,
        countable=recipe.countable,
        limits=row_limits(steps),
        keeps_rows=not drops and not any(isinstance(step, (Filter, TakeSample)) for step in steps),
    )
    if recipe.global_rows:
        names = ", ".join(step.kind for step in recipe.global_rows)
        check_countable(layout, names)
        if drops:
            raise InputError(f"MLTable: {names} counts rows, and invalid_lines: drop leaves open how many there are")
    return layout


def check_countable(layout: TableLayout, what: str) -> None:
    """InputError, naming `what` needs it, unless the rows of the table can be counted and read apart."""
    if not layout.countable:
        raise InputError(
            f"{what}: the rows of these files cannot be found by their bytes; needed are an encoding of single  "
            "bytes (utf8, latin1, …) and any header mode but all_files_different_headers"
        )
