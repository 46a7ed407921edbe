"""Filter expressions: what they may say, and which rows pass."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from fanout.data.filters import columns_of, parse_filter, rows_that_pass
from fanout.errors import InputError


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
        ('1 < col("i") <= 2', [1]),
        ('i > 1 and not (s == "x")', [2]),
        ('col("i") >= -1 and not col("s") == "x"', [2]),
        ('not (col("i") == 1) and col("s") != "z"', []),
        ('col("f") != 1', [2]),
        ('not col("f") == 1', [2]),
        ('col("f") == 1 or col("i") == 2', [0, 1]),
        ('col("f") == 1 or col("f") != 1', [0, 2]),
        ('col("b") == True', [0, 2]),
        ('col("o") == false', [2]),
        ('col("d") > "2020-06-01"', [2]),
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
        ('col("a")', "neither true nor false"),
        ('col("a") in [1]', "not allowed"),
        ('col("a") is None', "not allowed"),
        ('col("a") + 1 > 2', "not allowed"),
        ('__import__("os").system("x") == 1', "not allowed"),
        ("col(name) == 1", "not allowed"),
        ('col("a") >', "invalid syntax"),
        ("5and 1", "neither true nor false"),
        ("d > datetime(2020, 13, 1)", "write a time as datetime.* month must be"),
        ("d > datetime(2020, 1)", "write a time as datetime"),
        ("d > datetime(x, 1, 1)", "write a time as datetime"),
        ("d > datetime(10**9, 1, 1)", "write a time as datetime"),
        ("not " * 3000 + "col('a') == 1", "longer than"),
        ("(" * 150 + "col('a') == 1" + ")" * 150, ""),
    ],
)
def test_what_is_no_filter_is_refused(text: str, why: str) -> None:
    """Only comparisons of columns, texts, numbers and booleans, joined by and, or, not."""
    if not why:
        assert columns_of(parse_filter(text)) == {"a"}
        return
    with pytest.raises(InputError, match=f"filter.*{why}"):
        parse_filter(text)


@pytest.mark.parametrize(
    "text", ['col("i") > "1"', 'col("s") == 1', 'col("d") > "soon"', 'col("s") < col("i")', 'col("o") < "x"']
)
def test_values_that_cannot_be_compared_are_an_error(frame: pd.DataFrame, text: str) -> None:
    """Rather than no rows at all, silently."""
    with pytest.raises(InputError, match=r"cannot compare|compared with an ISO date"):
        rows_that_pass(frame, parse_filter(text))


@pytest.mark.parametrize(("text", "names"), [('col("a") > 1 and not (col("b") == col("c"))', {"a", "b", "c"})])
def test_columns_of_an_expression(text: str, names: set[Any]) -> None:
    """All that it looks at."""
    assert columns_of(parse_filter(text)) == names
