"""Blocks of JSON lines to columns."""

from typing import Any

import pytest

from fanout.data.jsonlines import read_rows, to_columns
from fanout.data.readers import JsonLines
from fanout.errors import InputError


def test_each_line_is_a_row_and_blank_lines_are_none() -> None:
    """Any of \\n and \\r\\n ends a line; a U+2028 does not."""
    body = '{"a":1}\r\n\n  \n{"a":"x\u2028y"}'.encode()
    assert list(read_rows(body, JsonLines())) == [{"a": 1}, {"a": "x\u2028y"}]


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "5",
        "[1]",
        '{"a":NaN}',
        '{"a\\ud800":1}',
        '{"a":["\\uDFFF"]}',
        '{"a":1}{"a":2}',
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
    ("values", "dtype"),
    [
        ([1, 2], "int64"),
        ([1, None], "float64"),
        ([1, 2.5], "float64"),
        ([2**63, 1], "float64"),
        ([10**400, 1.0], "float64"),
        ([True, False], "bool"),
        ([True, None], "object"),
        ([True, 1], "object"),
        (["x", 1], "object"),
        ([None, None], "object"),
        ([{"k": 1}, [1]], "object"),
    ],
)
def test_types_are_those_of_the_json(values: list[Any], dtype: str) -> None:
    """No inference from text: 0 and 1 are numbers here."""
    found = to_columns([{"a": value} for value in values])["a"]
    assert str(found.dtype) == dtype
    if dtype == "object":
        assert found.tolist() == values


def test_columns_are_the_union_with_known_ones_first() -> None:
    """A key that a row lacks is None in it."""
    found = to_columns([{"b": "x"}, {"c": 1, "a": "y"}], known=("a", "z"))
    assert {name: values.tolist() for name, values in found.items()}.keys() == {"a", "z", "b", "c"}
    assert list(found) == ["a", "z", "b", "c"]
    assert found["a"].tolist() == [None, "y"]
    assert found["z"].tolist() == [None, None]
