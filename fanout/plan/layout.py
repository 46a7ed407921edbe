"""What cutting needs to know of a table's recipe: whether its files may be cut, and which rows it wants. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from fanout.data.readers import Delimited, JsonLines, Parquet
from fanout.data.recipe import TableRecipe
from fanout.data.transformations import Filter, Skip, Take, TakeSample, Transformation
from fanout.errors import InputError


@dataclass(frozen=True, slots=True)
class RowLimits:
    """How many rows of the table are left out at its start, and how many are kept after those (None: all)."""

    skip: int = 0
    take: int | None = None


@dataclass(frozen=True, slots=True)
class TableLayout:
    """How rows lie in a table's files, and which are wanted, as far as cutting needs to know."""

    parquet: bool = False
    multi_line: bool = False  # a quoted value may hold line breaks
    splittable: bool = True  # a range of bytes can be read on its own
    countable: bool = True  # rows can be told apart by their bytes, and read without the head of their file
    limits: RowLimits | None = RowLimits()  # None: which rows are wanted shows only when all are read
    keeps_rows: bool = True  # each wanted row of a file becomes a row of the frame: no filter, no dropped lines


def layout_of(recipe: TableRecipe) -> TableLayout:
    """The layout of a table; InputError when what its MLTable wants cannot be found out before it is split."""
    reader, steps = recipe.reader, recipe.steps
    drops = isinstance(reader, JsonLines) and reader.invalid_lines == "drop"
    layout = TableLayout(
        parquet=isinstance(reader, Parquet),
        multi_line=isinstance(reader, Delimited) and reader.support_multi_line,
        splittable=recipe.splittable,
        countable=recipe.splittable or (isinstance(reader, Delimited) and _only_multi_line(reader)),
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
            f"{what}: the rows of these files cannot be told apart by their bytes; needed are an encoding of single "
            "bytes (utf8, latin1, …) and any header mode but all_files_different_headers"
        )


def row_limits(steps: Sequence[Transformation]) -> RowLimits | None:
    """What all `take` and `skip` come to; None when a sample, or one behind a filter, needs every row to be read."""
    limits, filtered = RowLimits(), False
    for step in steps:
        match step:
            case TakeSample():
                return None
            case Filter():
                filtered = True
            case Take() | Skip():
                if filtered:
                    return None
                limits = _narrowed(limits, step)
            case _:
                pass
    return limits


def _narrowed(limits: RowLimits, step: Take | Skip) -> RowLimits:
    if isinstance(step, Take):
        return RowLimits(limits.skip, step.count if limits.take is None else min(limits.take, step.count))
    left = None if limits.take is None else max(0, limits.take - step.count)
    return RowLimits(limits.skip + step.count, left)


def _only_multi_line(reader: Delimited) -> bool:
    """Whether line breaks in quotes are all that forbids splitting anywhere: counting rows sees those."""
    return reader.support_multi_line and Delimited(encoding=reader.encoding, header=reader.header).splittable
