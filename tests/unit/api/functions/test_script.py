"""What of a function's return is written."""

import datetime as dt
from typing import Any

import numpy as np
import pytest

from fanout.api.functions.script import checked
from fanout.records.row_format import RowFormat
from fanout.slot.child.row_encoder import RowEncoder


def _written(value: Any) -> str:
    return RowEncoder(RowFormat.JSONL).encode([checked(value, "score")]).payload.decode()


@pytest.mark.parametrize("text", ['{"a": 1}', "[1]", "{", "a\nb", ""])
def test_a_text_comes_back_as_a_text(text: str) -> None:
    """Also one that looks like JSON."""
    import json

    assert json.loads(_written(text)) == text


def test_values_like_those_of_json() -> None:
    """Numbers and arrays of numpy, times, tuples."""
    assert _written({"x": np.float64(0.5), "y": (1, np.array([1, 2]))}) == '{"x": 0.5, "y": [1, [1, 2]]}\n'
    assert _written(dt.date(2026, 1, 2)) == '"2026-01-02"\n'


@pytest.mark.parametrize("value", [object(), {1, 2}, b"x", [object()], {"a": {3: 4}}])
def test_anything_else_is_refused(value: object) -> None:
    """Rather than to come back as something else."""
    with pytest.raises(TypeError, match="score returned"):
        checked(value, "score")
