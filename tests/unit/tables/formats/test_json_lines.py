"""Blocks of JSON lines to columns."""

from typing import Any

import pytest

from fanout.errors import InputError
from fanout.tables.formats.json_lines import read_rows, to_columns
from fanout.tables.formats.readers import JsonLines
from fanout.tables.values.types import ColumnType, Kind


def test_each_line_is_a_row_and_empty_lines_are_none() -> None:
    """Any of \\n and \\r\\n ends a line; a U+2028 does not, and what follows an object is passed over."""
    body = ' {"a":1}\r\n\n{"a":"x\u2028y\t"},\n{"a":2}{"a":3}'.encode()
    assert list(read_rows(body, JsonLines())) == [{"a": 1}, {"a": "x\u2028y\t"}, {"a": 2}]


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "5",
        "[1]",
        '{"a":NaN}',
        '{"a\\ud800":1}',
        '{"a":["\\uDFFF"]}',
        " ",
        '{"a":1',
        "[" * 100_000,
    ],
)
def test_what_is_no_object_is_an_error_or_left_out(line: str) -> None:
    """invalid_lines (reference, section 12)."""
    body = f'{{"a":1}}\n{line}\n{{"a":3}}\n'.encode()
    with pytest.raises(InputError, match=r"invalid JSON line .* set read_json_lines\.invalid_lines to drop"):
        list(read_rows(body, JsonLines()))
    assert list(read_rows(body, JsonLines(invalid_lines="drop"))) == [{"a": 1}, {"a": 3}]


def test_whole_characters_may_be_written_as_two_escapes() -> None:
    """Only halves of characters are refused."""
    assert list(read_rows(rb'{"a":"\ud83d\ude00 \\ud800"}', JsonLines())) == [{"a": "\U0001f600 \\ud800"}]


def test_a_line_that_is_not_utf8_says_which_setting_helps() -> None:
    """The encoding is the likely cause."""
    with pytest.raises(InputError, match=r"not UTF-8; set read_json_lines\.encoding"):
        list(read_rows(b'{"a":"\xe9"}', JsonLines()))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2], [1, 2]),
        ([0, 1], [0, 1]),  # no inference: these are numbers here
        ([None, 1, 2.5, "x", True, [1]], [None, 1, None, None, None, None]),
        ([1.5, 2], [1.5, None]),
        ([True, 1, None], [True, None, None]),
        (["x", 5], ["x", None]),
        ([2**63, 1], [-(2**63), 1]),
        ([2**64, 1.5, 10**20], [2.0**64, 1.5, 1e20]),
        ([1, 2**64], [1, None]),
        ([None, None], [None, None]),
        ([[1, "x", None], [2.5], 3], [[1, None, None], [None], None]),
        (
            [{"x": 1}, {"y": [1, "q"]}, {"x": "z"}],
            [{"x": 1, "y": None}, {"x": None, "y": [1, None]}, {"x": None, "y": None}],
        ),
        ([[{"x": 1}, {"y": 2}]], [[{"x": 1, "y": None}, {"x": None, "y": 2}]]),
    ],
)
def test_the_first_value_says_the_type_of_its_column(values: list[Any], expected: list[Any]) -> None:
    """Also inside of lists and objects; what has another type is null (measured with the original)."""
    assert to_columns([{"a": value} for value in values])["a"].to_pylist() == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.STRING, ["1.5", "2", "7", "True", None]),
        (Kind.FLOAT, [1.5, 2.0, 7.0, None, None]),
        (Kind.INT, [1, 2, 7, None, None]),
        (Kind.BOOLEAN, [True, True, None, True, None]),
    ],
)
def test_a_type_that_is_wanted_loses_no_value(kind: Kind, expected: list[Any]) -> None:
    """convert_column_types of a column with values of several types (measured with the original)."""
    rows = [{"a": value} for value in (1.5, 2, "7", True, None)]
    assert to_columns(rows, {}, {"a": ColumnType(kind)})["a"].to_pylist() == expected


def test_columns_are_the_union_with_known_ones_first() -> None:
    """A key that a row lacks is null in it; a known type counts where the rows show none or another."""
    known = {"a": ColumnType(Kind.STRING), "z": ColumnType(Kind.FLOAT), "c": ColumnType(Kind.FLOAT)}
    found = to_columns([{"b": "x"}, {"c": 1, "a": "y"}], known)
    assert {name: values.to_pylist() for name, values in found.items()} == {
        "a": [None, "y"],
        "z": [None, None],
        "c": [None, None],
        "b": ["x", None],
    }
    assert list(found) == ["a", "z", "c", "b"]
