"""What cutting needs to know of an MLTable: how rows lie in its files, and which of them it wants. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fanout.data.readers import Delimited, HeaderMode, JsonLines, Parquet, Reader
from fanout.data.transformations import Filter, Skip, Take, TakeSample, Transformation
from fanout.errors import InputError

HeaderRule = Literal["none", "first_file", "every_file"]

_HEADERS: dict[HeaderMode, HeaderRule] = {
    HeaderMode.NO_HEADER: "none",
    HeaderMode.FROM_FIRST_FILE: "first_file",
    HeaderMode.ALL_FILES_DIFFERENT_HEADERS: "every_file",
    HeaderMode.ALL_FILES_SAME_HEADERS: "every_file",
}


@dataclass(frozen=True, slots=True)
class TableLayout:
    """How rows lie in a table's files, and which are wanted, as far as cutting needs to know."""

    parquet: bool = False
    header: HeaderRule = "none"  # which files begin with a line of names
    multi_line: bool = False  # a quoted value may hold line breaks
    splittable: bool = True  # a range of bytes can be read on its own
    countable: bool = True  # rows can be told apart by their bytes, and read without the head of their file
    skip: int = 0  # rows of the whole table left out at its start
    take: int | None = None  # rows of the whole table kept after that
    keeps_rows: bool = True  # each row of a file becomes a row of the frame: no filter, no dropped lines
    number_rows: bool = False  # every mini-batch must know its first row, so rows are counted even if cuts need not

    @property
    def counted(self) -> bool:
        """Whether rows must be counted whatever the division."""
        return self.number_rows or self.skip > 0 or self.take is not None


def layout_of(reader: Reader, transformations: Sequence[Transformation]) -> TableLayout:
    """The layout of a table; InputError when a transformation cannot be applied before the table is split."""
    skip, take = row_window(transformations, drops=isinstance(reader, JsonLines) and reader.invalid_lines == "drop")
    layout = TableLayout(
        parquet=isinstance(reader, Parquet),
        header=_HEADERS[reader.header] if isinstance(reader, Delimited) else "none",
        multi_line=isinstance(reader, Delimited) and reader.support_multi_line,
        splittable=reader.splittable,
        countable=reader.splittable or (isinstance(reader, Delimited) and _only_multi_line(reader)),
        skip=skip,
        take=take,
        keeps_rows=_keeps_rows(reader, transformations),
        number_rows=any(isinstance(step, TakeSample) for step in transformations),
    )
    if layout.counted:
        check_countable(layout, "take, skip and take_random_sample")
    return layout


def check_countable(layout: TableLayout, what: str) -> None:
    """InputError, naming `what` needs it, unless the rows of the table can be counted and read apart."""
    if not layout.countable:
        raise InputError(
            f"{what}: rows of these files cannot be told apart by their bytes; they need an encoding of single bytes "
            "(utf8, latin1, …) and any header mode but all_files_different_headers"
        )


def row_window(transformations: Sequence[Transformation], *, drops: bool = False) -> tuple[int, int | None]:
    """How many rows of the table all `skip` and `take` leave out at its start, and how many they keep after those.

    InputError when one of them counts rows that nobody knows before reading: behind a filter or a sample, or (`drops`)
    where invalid lines vanish.
    """
    skip, take, unknown = 0, None, "invalid_lines: drop" if drops else None
    for step in transformations:
        match step:
            case Filter():
                unknown = "filter"
            case TakeSample():
                unknown = "take_random_sample"
            case Take() | Skip() if unknown:
                raise InputError(
                    f"MLTable: a table is split before rows are left out by {unknown}, so {step.kind} cannot come after "
                    f"it; put {step.kind} first"
                )
            case Take(count=count):
                take = count if take is None else min(take, count)
            case Skip(count=count):
                skip, take = skip + (count if take is None else min(count, take)), _less(take, count)
            case _:
                pass
    return skip, take


def _less(take: int | None, count: int) -> int | None:
    return None if take is None else max(0, take - count)


def _only_multi_line(reader: Delimited) -> bool:
    """Whether line breaks in quotes are all that keeps the files from being split anywhere: counting rows sees those."""
    return reader.support_multi_line and Delimited(encoding=reader.encoding, header=reader.header).splittable


def _keeps_rows(reader: Reader, transformations: Sequence[Transformation]) -> bool:
    dropping = isinstance(reader, JsonLines) and reader.invalid_lines == "drop"
    return not dropping and not any(isinstance(step, (Filter, TakeSample)) for step in transformations)
