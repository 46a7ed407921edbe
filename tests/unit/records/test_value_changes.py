"""Values that the types of columns change are counted, with an example, where it is, and what keeps them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fanout.records.value_changes import Change, Changes, How, from_list, lines, located
from fanout.tables.file_parts import Section
from fanout.tables.formats.readers import Delimited, JsonLines
from fanout.tables.resolution import resolve_recipe
from fanout.tables.table_parts import read_counted
from fanout.tables.values.changed_values import has_leading_zeros
from fanout.tables.values.types import ColumnType, Kind


def read(folder: Path, text: str, reader: Any = None, **section: Any) -> list[Change]:
    file = folder / "part.csv"
    file.write_text(text)
    table: Any = SimpleNamespace(reader=reader or Delimited(), transformations=())
    recipe = resolve_recipe(table, [file.as_uri()], lambda _uri, size: file.read_bytes()[:size])
    return list(read_counted(recipe, [Section(file.as_uri(), **section)])[1])


def column(head: object, *values: object) -> str:
    """A column that looks like `head` in its first 200 rows."""
    return "a,n\n" + "".join(f"{value},{row}\n" for row, value in enumerate([head] * 200 + list(values)))


@pytest.mark.parametrize(
    ("text", "how", "count", "example", "line"),
    [
        (column(7, 253.5, 8, 1.25), How.CUT, 2, "253.5", 202),
        (column(7, "99999999999999999999"), How.CUT, 1, "99999999999999999999", 202),
        (column(7, "nan"), How.CUT, 1, "nan", 202),
        (column("00007", 8), How.ZEROS, 200, "00007", 2),
        (column(7, "x", "007"), How.ZEROS, 1, "007", 203),
        (column(7.5, "08.5"), How.ZEROS, 1, "08.5", 202),
        (column(0, 1, ""), How.FLAG, 201, "0", 2),
        (column(0, 1, "x"), How.FLAG, 201, "0", 2),
        (column(0, 1, "x"), How.NULL, 1, "x", 203),
        (column("02/02/2020"), How.NULL, 200, "02/02/2020", 2),
        (column("2020-01-31", "soon"), How.NULL, 1, "soon", 202),
        (column("31/01/20"), How.NULL, 200, "31/01/20", 2),
        (column(7, "x"), How.NULL, 1, "x", 202),
    ],
    ids=lambda value: "" if isinstance(value, str) and "\n" in value else None,
)
def test_what_is_changed_is_counted(tmp_path: Path, text: str, how: How, count: int, example: str, line: int) -> None:
    """By column and kind, with the first of them as it is written, and its line."""
    found = [change for change in read(tmp_path, text) if change.how is how]
    assert found == [Change("a", how, count, example, (tmp_path / "part.csv").as_uri(), 0, line)]


@pytest.mark.parametrize(
    "text",
    [
        column(7, 8, "", "+9", " 5 ", "9223372036854775807", "-9223372036854775808"),
        column("0.5", "0.25", 7, "1e3", "nan"),
        column("true", "false", "t"),
        column("abc", "007", "0"),
        column("2020-01-31", ""),
        column("0", "1").replace(",", ";"),
        "",
    ],
    ids=range(7),
)
def test_what_is_not_changed_is_not(tmp_path: Path, text: str) -> None:
    """Numbers, times and texts that are what is written; gaps are no values."""
    assert [change for change in read(tmp_path, text) if change.column == "a"] == []


def test_types_that_the_mltable_gives_are_wanted(tmp_path: Path) -> None:
    """Only what does not fit them is said; and the setting that is shown is one of these."""
    given = (("a", ColumnType(Kind.INT)),)
    [lost] = read(tmp_path, column("007", "1.5", "x"), Delimited(overrides=given))
    assert (lost.how, lost.count, lost.text) == (How.NULL, 1, "x")
    assert read(tmp_path, column("007", "x"), Delimited(overrides=(("a", ColumnType(Kind.STRING)),))) == []
    assert read(tmp_path, column("007", 1.5), Delimited(infer_column_types=False)) == []


def test_the_line_of_a_block_is_counted_in_its_file(tmp_path: Path) -> None:
    """A slot knows the lines of its block; the one place that shows them counts those in front of it."""
    text = column(7, 1.5)
    start = text.index("7,199")
    [change] = read(tmp_path, text, start=start, stop=len(text), cut="bytes")
    assert (change.start, change.line) == (start, 2)
    assert (located(change).start, located(change).line) == (0, 202)
    [rows] = read(tmp_path, text, start=150, stop=201, cut="rows")
    assert (rows.start, rows.line) == (0, 202)
    assert located(Change("a", How.CUT, 1, "1.5", "s3://b/k.csv", 9, 2)).start == 9


def test_json_values_of_another_type(tmp_path: Path) -> None:
    """They are null in the table."""
    file = tmp_path / "part.csv"
    file.write_text('{"a":1.5,"b":"x"}\n{"a":2}\n{"b":null}\n')
    table: Any = SimpleNamespace(reader=JsonLines(), transformations=())
    recipe = resolve_recipe(table, [file.as_uri()], lambda _uri, size: file.read_bytes()[:size])
    assert read_counted(recipe, [Section(file.as_uri())])[1] == (Change("a", How.NULL, 1, "2", file.as_uri()),)


def test_sums_do_not_depend_on_the_order() -> None:
    """The example is that of the first mini-batch."""
    one, two = (Change("a", How.CUT, n, f"{n}.5", f"file:///{n}.csv", 0, n) for n in (1, 2))
    for order in ([(4, one), (7, two)], [(7, two), (4, one)]):
        changes = Changes()
        for index, change in order:
            changes.add(index, [change])
        assert changes.all() == (Change("a", How.CUT, 3, "1.5", "file:///1.csv", 0, 1),)


def test_what_people_read() -> None:
    """Count, example, place, and the setting."""
    change = Change("price", How.CUT, 37, "253.5", "file:///data/part.csv", 0, 251)
    assert list(lines([change])) == [
        (
            "column price: 37 values such as 253.5 (part.csv:251) became whole numbers",
            "column_type_overrides: [{columns: price, column_type: float}]",
        )
    ]
    assert from_list(change.to_list()) == change
    with pytest.raises(ValueError, match="count"):
        from_list(["a", "cut", -1, "x", "file:///a", 0, 0])


@pytest.mark.parametrize(
    ("body", "expected"),
    [(b"00,1\n", True), (b"1,01\n", True), (b"1\n02", True), (b'"05"\n', True), (b"10,0.5\n0,20", False), (b"", False)],
)
def test_leading_zeros_are_found_in_the_bytes(body: bytes, expected: bool) -> None:
    """At the beginning of a field alone."""
    assert has_leading_zeros(body, ",") is expected
