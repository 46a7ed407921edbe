"""Filter expressions: what they may say, and which rows pass."""

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fanout.errors import InputError
from fanout.tables.values.filter_expressions import columns_of, parse_filter, rows_that_pass


@pytest.fixture
def frame() -> pd.DataFrame:
    """A column of every type, with gaps."""
    return pd.DataFrame(
        {
            "i": [1, 2, 3],
            "f": [1.0, np.nan, 3.0],
            "s": pd.Series(["x", None, "z"], dtype=object),
            "b": [True, False, True],
            "o": pd.Series([True, None, False], dtype=object),
            "d": pd.to_datetime(pd.Series(["2020-01-01", None, "2021-01-01"])),
        }
    )


@pytest.mark.parametrize(
    ("text", "passing"),
    [
        ('col("i") > 1', [1, 2]),
        ('1 < col("i") <= 2', [0, 1, 2]),  # the answer of the first is a boolean, and those come before numbers
        ('col("b")', [0, 2]),
        ("not o", [2]),
        ("True and i > 1", [1, 2]),
        ('col("i") + 1 > 2', [1, 2]),
        ('-col("i") < -1.5 and i % 2 == 1', [2]),
        ('col("s") + "!" == "x!"', [0]),
        ("i / 0 > 1", [0, 1, 2]),
        ('s + 1 == "x1"', []),
        ('col("i") > "1"', []),
        ('col("s") == 1', []),
        ('col("s") != 1', [0, 2]),
        ('col("s") > 1', [0, 2]),
        ('col("o") < "x"', [0, 2]),
        ('col("d") > "soon"', [0, 2]),
        ('col("s") < col("i")', []),
        ('not (col("i") == "x")', [0, 1, 2]),
        ('col("i") != None', []),
        ("(i > 1) == b", [2]),
        ('i > 1 and not (s == "x")', [2]),
        ('col("i") >= -1 and not col("s") == "x"', [2]),
        ('not (col("i") == 1) and col("s") != "z"', []),
        ('col("f") != 1', [2]),
        ('not col("f") == 1', [2]),
        ('col("f") == 1 or col("i") == 2', [0, 1]),
        ('col("f") == 1 or col("f") != 1', [0, 2]),
        ('col("b") == True', [0, 2]),
        ('col("o") == False', [2]),
        ('col("o") == false', []),  # a column of this name
        ('col("d") == "2021-01-01"', []),
        ("d > datetime(2020, 6, 1)", [2]),
        ("d == datetime(2021, 1, 1, 0, 0, 0)", [2]),
        ('col("i") == col("f")', [0, 2]),
        ("col('nowhere') == 1", []),
        ('"a" == "a"', [0, 1, 2]),
    ],
)
def test_rows_that_pass(frame: pd.DataFrame, text: str, passing: list[int]) -> None:
    """A comparison with a gap is neither true nor false, nor is its not (reference, section 12)."""
    assert np.flatnonzero(rows_that_pass(frame, parse_filter(text))).tolist() == passing


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('"a"', "neither true nor false"),
        ('col("a") in [1]', "the comparisons are"),
        ('col("a") is None', "the comparisons are"),
        ('col("a") @ 1 > 2', "the comparisons are"),
        ('__import__("os").system("x") == 1', "not allowed"),
        ("col(name) == 1", "not allowed"),
        ('col("a") >', "invalid syntax"),
        ("5and 1", "neither true nor false"),
        ("d > datetime(2020, 13, 1)", "write a time as datetime.* month must be"),
        ("d > datetime(2020, 1)", "write a time as datetime"),
        ("d > datetime(x, 1, 1)", "write a time as datetime"),
        ("d > datetime(10**9, 1, 1)", "write a time as datetime"),
        ("not " * 3000 + "col('a') == 1", "longer than"),
        ("a > 9**9**9**9", "a power that is too large to be a number"),
        ("a > 99999999999999999999999**99999999", "a power that is too large to be a number"),
        ("a ** 2 > (10**200)**2", "a power that is too large to be a number"),
        ("a" + " < a" * 3000, "longer than|nested more than 100 deep"),
        ("a" + " < a" * 2000, "nested more than 100 deep"),
        ("1" + "+1" * 3000 + " > a", "nested"),
        ("not " * 300 + "a", "nested more than 100 deep"),
        ("-" * 3000 + "a > 1", "nested"),
        ("(" * 150 + "col('a') == 1" + ")" * 150, ""),
    ],
    ids=lambda text: text[:40],
)
def test_what_is_no_filter_is_refused(text: str, why: str) -> None:
    """Only comparisons of columns, texts, numbers and booleans, joined by and, or, not."""
    if not why:
        assert columns_of(parse_filter(text)) == {"a"}
        return
    with pytest.raises(InputError, match=f"filter.*{why}"):
        parse_filter(text)


def test_a_column_that_stands_alone_must_be_one_of_booleans(frame: pd.DataFrame) -> None:
    """Rather than no rows at all, silently."""
    with pytest.raises(InputError, match="filter: 'i' is neither true nor false"):
        rows_that_pass(frame, parse_filter('col("i")'))


@pytest.mark.parametrize(("text", "names"), [('col("a") > 1 and not (col("b") == col("c"))', {"a", "b", "c"})])
def test_columns_of_an_expression(text: str, names: set[Any]) -> None:
    """All that it looks at."""
    assert columns_of(parse_filter(text)) == names


def test_powers_of_whole_numbers_are_fractions(frame: pd.DataFrame) -> None:
    """One with a billion digits takes no longer than any other: it is none."""
    frame["big"] = pd.Series([2, 10**30, 10**40], dtype=object)
    began = time.process_time()
    assert rows_that_pass(frame, parse_filter("big ** big > 3")).tolist() == [True, False, False]
    assert time.process_time() - began < 1


@pytest.mark.parametrize("text", ["a" + " < a" * 99, "not " * 90 + "b", "1" + "+1" * 90 + " > i"])
def test_what_is_accepted_can_be_computed(text: str, frame: pd.DataFrame) -> None:
    """Everything that looks at an expression takes the depth that reading it allows."""
    expression = parse_filter(text)
    assert columns_of(expression) <= {"a", "b", "i"}
    assert len(rows_that_pass(frame, expression)) == len(frame)
