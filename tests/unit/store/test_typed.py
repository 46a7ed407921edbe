"""Records by their types: what was dumped comes back equal, and what is anything else is told by its place."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.store import typed


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Circle:
    radius: float
    kind: Literal["circle"] = "circle"


@dataclass(frozen=True, slots=True)
class Square:
    side: int | None
    colours: tuple[Colour, ...] = ()
    kind: Literal["square"] = "square"


@dataclass(frozen=True, slots=True)
class Picture:
    name: str
    shapes: tuple[Circle | Square, ...] = ()
    size: tuple[int, float] = (1, 1.0)
    tags: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    frame: "Square | None" = None
    limit: float | None = None
    version: Literal[1] = 1


WHOLE = Picture(
    "é",
    (Circle(1.5), Square(None, (Colour.BLUE, Colour.RED))),
    (3, 4.5),
    {"text": "1", "whole": 1, "number": 1.0, "yes": True, "none": None},
    Square(2),
    2.5,
)


def test_a_record_comes_back_equal() -> None:
    """Every field with its type, also those that equal another type's."""
    again = typed.load(Picture, typed.dump(WHOLE))
    assert again == WHOLE
    assert [type(value) for value in again.tags.values()] == [str, int, float, bool, type(None)]
    assert typed.load(Picture, b'{"name":"x"}') == Picture("x"), "defaults may be left out"


def test_equal_records_are_equal_bytes() -> None:
    """Compact, in the order of the fields; a whole number where a float belongs, and any kind of mapping."""
    assert (
        typed.dump(Picture("é", (Circle(1),), limit=2, tags=MappingProxyType({"a": 1})))
        == (
            '{"name":"é","shapes":[{"radius":1.0,"kind":"circle"}],"size":[1,1.0],"tags":{"a":1},'
            '"frame":null,"limit":2.0,"version":1}'
        ).encode()
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": 3}, "name: found 3, expected a text"),
        ({"nam": "x"}, "nam: no such field"),
        ({"version": 2}, "version: found 2, expected 1"),
        ({"version": True}, "version: found True, expected 1"),
        ({"limit": "1"}, "limit: found '1', expected"),
        ({"limit": True}, "limit: found True, expected"),
        ({"limit": 10**400}, "limit: found 1000"),
        ({"size": [1]}, "size: found [1], expected 2 values"),
        ({"size": [1.0, 1]}, "size.0: found 1.0, expected a whole number"),
        ({"shapes": {}}, "shapes: found {}, expected a list"),
        ({"shapes": [{"radius": None, "kind": "circle"}]}, "shapes.0.radius: found None, expected a number"),
        ({"shapes": [{"side": 1, "kind": "cube"}]}, "shapes.0"),
        (
            {"shapes": [{"side": 1, "colours": ["green"], "kind": "square"}]},
            "shapes.0.colours.0: found 'green', expected 'red' or 'blue'",
        ),
        ({"shapes": [{"kind": "square"}]}, "shapes.0.side: missing"),
        ({"tags": []}, "tags: found [], expected an object"),
        ({"tags": {"a": []}}, "tags.a: found [], expected"),
        ({"frame": []}, "frame: found [], expected"),
    ],
)
def test_what_is_wrong_is_told_by_its_place(changes: dict[str, Any], message: str) -> None:
    """Of several alternatives the one that was meant says what is wrong."""
    spoilt = json.dumps(json.loads(typed.dump(WHOLE)) | changes)
    with pytest.raises(ValueError) as caught:
        typed.load(Picture, spoilt)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("text", ["", "[]", "3", "{", '{"name": "x", "limit": NaN}', '{"name": "x", "limit": 1e999}'])
def test_what_is_no_record(text: str) -> None:
    """Neither other JSON nor none."""
    with pytest.raises(ValueError, match=r"."):
        typed.load(Picture, text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "kind", "side"]), inner),
    max_leaves=8,
)


@given(st.sampled_from(["name", "shapes", "size", "tags", "frame", "limit", "version"]), json_values)
def test_anything_in_the_place_of_a_field_is_read_or_refused(name: str, value: object) -> None:
    """Nothing but ValueError comes out, and what is read says the same."""
    text = json.dumps(json.loads(typed.dump(WHOLE)) | {name: value})
    try:
        found = typed.load(Picture, text)
    except ValueError:
        return
    assert typed.load(Picture, typed.dump(found)) == found


def test_types_that_have_no_place_in_a_record() -> None:
    """Said when a record is written, or its type is first read."""
    with pytest.raises(TypeError, match="set has no place in a record"):
        typed.dump({1})
    with pytest.raises(TypeError, match="bytes"):
        typed.load(bytes, b'""')
