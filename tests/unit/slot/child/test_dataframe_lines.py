"""Lines of a DataFrame by pyarrow: the same bytes as those of `to_csv`, or none."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fanout.records.row_format import RowFormat
from fanout.slot.child.dataframe_lines import frame_lines
from fanout.slot.child.row_encoder import RowEncoder

DTYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool", "float16"]
FRACTIONS = ["float32", "float64", ">f8"]
ROUND = st.builds(lambda digits, power: digits * 10.0**power, st.integers(-999, 999), st.integers(-12, 20))
WORDS = st.text(st.sampled_from("ab1.é\U0001f600,;|\t \"'\r\n\\\0\ud800"), max_size=3)
OBJECTS = WORDS | st.sampled_from([None, np.nan, pd.NA, pd.NaT, 1, 1.5, True, b"x", ""])


def _to_csv(frame: pd.DataFrame, separator: str = ",") -> bytes:
    return frame.to_csv(sep=separator, header=False, index=False, lineterminator="\n").encode()


def _column(rows: int) -> st.SearchStrategy[Any]:
    """A column of some kind that pandas knows."""

    def many(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.lists(values, min_size=rows, max_size=rows)

    texts = st.text("abé ", max_size=3) | st.none()
    return st.one_of(
        st.sampled_from(DTYPES).flatmap(lambda dtype: arrays.arrays(dtype, rows)),
        st.sampled_from(FRACTIONS).flatmap(lambda dtype: arrays.arrays(dtype, rows)),
        many(ROUND | st.none()).map(lambda values: np.array(values, "float64")),
        many(texts).map(lambda values: pd.Series(values, dtype=object)),
        many(texts).map(lambda values: pd.Series(values, dtype="string")),
        many(texts).map(lambda values: pd.Series(values, dtype="category")),
        many(OBJECTS).map(lambda values: pd.Series(values, dtype=object)),
        many(st.integers(0, 2**62) | st.none()).map(lambda values: pd.Series(values, dtype="Int64")),
        many(st.booleans() | st.none()).map(lambda values: pd.Series(values, dtype="boolean")),
        many(st.datetimes(pd.Timestamp(1700, 1, 1), pd.Timestamp(2200, 1, 1))).map(pd.Series),
    )


FRAMES = st.integers(0, 4).flatmap(
    lambda rows: st.lists(_column(rows), max_size=3).map(
        lambda columns: pd.concat(map(pd.Series, columns), axis=1) if columns else pd.DataFrame(index=range(rows))
    )
)


@given(FRAMES, st.sampled_from(",;|\t "))
def test_lines_are_those_of_to_csv(frame: pd.DataFrame, separator: str) -> None:
    """Whatever the columns are and are called, there are no lines, or the very same."""
    frame.columns = pd.Index(["same"] * frame.shape[1])
    lines = frame_lines(frame, separator)
    assert lines is None or lines == _to_csv(frame, separator)


@pytest.mark.parametrize("bits", ["u4", "u8"])
def test_fractions_of_any_bit_pattern(bits: str) -> None:
    """Of all sizes, infinite, none at all, and around each power of ten, where exponents may begin."""
    draw = np.random.default_rng(7)
    kind = f"f{bits[1]}"
    anything = draw.integers(0, 2 ** (8 * int(bits[1])), 30_000, dtype=bits).view(kind)
    common = (10.0 ** draw.uniform(-12, 20, 10_000)).astype(kind)
    powers = np.array([float(f"1e{power}") for power in range(-12, 20)], dtype=kind)
    near = (powers.view(bits)[:, None] + np.arange(-5, 6).astype(bits)).ravel().view(kind)
    numbers = np.concatenate([anything, common, -common, np.rint(common), near, -near])
    frame = pd.DataFrame({"one": numbers, "other": True})
    assert frame_lines(frame, ",") == _to_csv(frame)


@pytest.mark.parametrize(
    "values",
    [
        np.arange(3),
        np.array([0.0, -0.0, 1e15, 1.5, 1e-5, np.nan]),
        np.array([True, False]),
        pd.Series(["a", None, "é"], dtype=object),
        pd.Series(["a", None, "é"], dtype="string"),
    ],
)
def test_common_columns_are_written(values: Sequence[Any]) -> None:
    """Numbers, booleans and plain texts need no pandas: the quick way is taken."""
    frame = pd.DataFrame({"one": values, "other": 1})
    assert frame_lines(frame, ",") == _to_csv(frame)


def test_frames_of_a_class_of_its_own_write_themselves() -> None:
    """A `to_csv` that is not pandas' may write anything."""

    class Loud(pd.DataFrame):
        def to_csv(self, *_: Any, **__: Any) -> str:  # type: ignore[override]
            return "LOUD\n"

    assert RowEncoder(RowFormat.TEXT).encode(Loud({"a": [1]})).payload == b"LOUD\n"


@pytest.mark.parametrize("kind", [RowFormat.TEXT, RowFormat.CSV, RowFormat.TSV])
def test_rows_are_the_same_either_way(kind: RowFormat) -> None:
    """Options of `to_csv` that change nothing, and that keep the quick way from being taken, change no byte."""
    frame = pd.DataFrame({"n": [1, 2], "x": [0.5, 1e-7], "t": ["a", None]})
    assert RowEncoder(kind).encode(frame) == RowEncoder(kind, {"index": False}).encode(frame)
