"""Items as lines of JSON, and back."""

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.api.functions.items import CHUNK, Items, is_exact
from fanout.api.functions.script import value_of
from fanout.errors import InputError
from fanout.tables.formats.json_lines import read_rows
from fanout.tables.formats.readers import JsonLines

VALUES: list[Any] = [1, 2.5, "ä\n", None, [1, {"a": [True]}], Path("a.txt"), (1, 2), Decimal("1.5"), {1: 2}, math.inf]


def _in_a_slot(items: Items) -> list[Any]:
    """What slots make of the file, by way of the reader of JSON lines."""
    return [value_of(row) for row in read_rows(items.path.read_bytes(), JsonLines())]


def test_items_arrive_as_they_are(tmp_path: Path) -> None:
    """JSON values as JSON, paths as absolute ones, anything else by cloudpickle; the caller gets the very objects."""
    items = Items(tmp_path / "items.jsonl")
    items.write(iter(VALUES))
    arrived = _in_a_slot(items)
    assert arrived[:5] == VALUES[:5]
    assert arrived[5] == Path("a.txt").absolute()
    assert arrived[6:] == VALUES[6:]
    assert items.pickled == 4
    reader = items.opened()
    assert [reader[position] for position in reversed(range(len(items)))] == VALUES[::-1]
    reader.close()


def test_rows_that_are_known_go_with_their_items(tmp_path: Path) -> None:
    """The others move, and are still found."""
    items = Items(tmp_path / "items.jsonl")
    items.write(range(5))
    items.add_rows([{"square": 0}, "one"])
    assert [row.get("r") for row in read_rows(items.path.read_bytes(), JsonLines())] == [
        {"square": 0},
        "one",
        None,
        None,
        None,
    ]
    reader = items.opened()
    assert [reader[position] for position in range(5)] == [0, 1, 2, 3, 4]
    reader.close()


def test_items_by_any_position(tmp_path: Path) -> None:
    """Chunks of plain values, of others and of both, with rows known of the first."""
    values = [*range(CHUNK), *("ä\n" * n for n in range(CHUNK)), *([n, {"n": n}] for n in range(CHUNK)), 1.5, "\ud800"]
    items = Items(tmp_path / "items.jsonl")
    items.write(iter(values))
    items.add_rows(list(range(CHUNK)))
    assert len(items) == len(values)
    assert items.pickled == 1
    assert _in_a_slot(items) == values
    reader = items.opened()
    for step in (1, 7, CHUNK + 1, -1, -13):
        assert [reader[position] for position in range(len(values))[::step]] == values[::step]
    reader.close()


def test_what_cannot_be_sent_is_named(tmp_path: Path) -> None:
    """With its position and type."""
    with (tmp_path / "x").open("w") as file, pytest.raises(InputError, match=r"item 1 \(TextIOWrapper\)"):
        Items(tmp_path / "items.jsonl").write([1, file])


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.lists(_JSON, min_size=1))
def test_any_json_value(tmp_path_factory: pytest.TempPathFactory, values: list[Any]) -> None:
    """Comes back as the same value of the same type."""
    items = Items(tmp_path_factory.mktemp("items") / "items.jsonl")
    items.write(values)
    assert repr(_in_a_slot(items)) == repr(values)


@pytest.mark.parametrize("value", [(1,), {1: 2}, math.nan, "\ud800", b"x", [(1,)], True + 0j])
def test_what_json_would_change(value: object) -> None:
    """Is not sent as JSON."""
    assert not is_exact(value)
