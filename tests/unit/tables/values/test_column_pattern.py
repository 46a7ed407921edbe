"""Regular expressions over the names of columns."""

import time

import pytest

from fanout.errors import InputError
from fanout.tables.values.column_pattern import ColumnPattern, tries_of


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("^c", "count", True),
        ("^c", "Count", False),
        ("[0-9]{4}", "year 2020", True),
        ("^(a|b)_.*_x$", "b_anything_x", True),
        (r"^\w+_id$", "customer_id", True),
        ("colou?r", "color", True),
        (r"(?:\d{2}-){2}\d{2}", "20-01-02", True),
        ("(?<=a)b", "ab", True),
        ("x", "y" * 3000, False),
        (".*x$", "y" * 1000, False),
    ],
)
def test_patterns_that_people_write(pattern: str, name: str, fits: bool) -> None:
    """Somewhere in the name."""
    assert ColumnPattern(pattern).fits(name) is fits
    assert ColumnPattern(pattern, invert=True).fits(name) is not fits


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|a)*$", "(a|ab)+$", "(a*)*b", "((a{0,9}){0,9}){0,9}b", "(a?){9}b", r"(\w+\s?)+$", "(?:(a)?b|c)*d"],
)
def test_what_could_take_for_ever_is_refused(pattern: str) -> None:
    """When the table is read, with its place."""
    with pytest.raises(InputError, match=r"^pattern .* it repeats (what varies by itself|a choice); write it without"):
        tries_of(pattern)


@pytest.mark.parametrize(
    "pattern", ["a*a*a*a*a*a*b", ".*.*.*x", "a?" * 60 + "a" * 60, "a{0,9}" * 20 + "b", "(ab|a)" * 40]
)
def test_what_a_long_name_makes_slow_is_refused(pattern: str) -> None:
    """Only where it would be: a short name costs little."""
    began = time.process_time()
    with pytest.raises(InputError, match="too many ways on a column name of 500 characters"):
        ColumnPattern(pattern).fits("a" * 500)
    assert time.process_time() - began < 1


@pytest.mark.parametrize("pattern", ["a*a*b", ".*.*x", "a*b", "a?" * 8 + "b", "[ab]+[bc]+$"])
@pytest.mark.parametrize("length", [1, 20, 200, 1500])
def test_what_is_tried_ends(pattern: str, length: int) -> None:
    """Within a second, or it is refused."""
    began = time.process_time()
    try:
        ColumnPattern(pattern).fits("a" * length + "d")
    except InputError as exc:
        assert "too many ways" in str(exc)
    assert time.process_time() - began < 1


def test_what_is_no_expression_is_told() -> None:
    """With the reason."""
    with pytest.raises(InputError, match="'\\(' is no regular expression: missing"):
        tries_of("(")
    with pytest.raises(InputError, match="longer than 1000 characters"):
        tries_of("x" * 1001)
