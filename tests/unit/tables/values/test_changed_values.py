"""Leading zeros that types of numbers lose: found in bytes, the same as one would find field by field."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.tables.values.changed_values import has_leading_zeros, zeros_of

FIELD = st.sampled_from(
    ["0", "00", "007", "-007", "+01", "-0", "7", "1.5", "0.5", "00.5", "", "x", "0x1", "-", "\u00e9"]
)
TABLES = st.integers(1, 3).flatmap(lambda width: st.lists(st.lists(FIELD, min_size=width, max_size=width), min_size=1))
LOSES = re.compile(r"[+-]?0[0-9]")


@given(TABLES, st.sampled_from(",\t;"), st.booleans())
def test_zeros_are_found_field_by_field(rows: list[list[str]], delimiter: str, ends: bool) -> None:
    """How many there are in each column, the first of them and its row."""
    width = len(rows[0])
    body = "\n".join(delimiter.join(row) for row in rows) + ("\n" if ends or not any(rows[-1]) else "")
    found = zeros_of(body.encode(), delimiter, {str(place): place for place in range(width)}, len(rows), width)
    if found is None:  # a field that is empty before a tab looks like one with a blank in front
        assert delimiter == "\t"
        return
    expected = []
    for place in range(width):
        lost = [(number, row[place]) for number, row in enumerate(rows) if LOSES.match(row[place])]
        if lost:
            expected.append((str(place), len(lost), lost[0][1], lost[0][0]))
    assert found == expected
    assert (
        not expected or has_leading_zeros(body.encode(), delimiter) or all(text[0] in "+-" for *_, text, _ in expected)
    )


@pytest.mark.parametrize("body", [b'"007",1\n', b"007\n1,2\n", b" 007,1\n", b"1,2,3\n"])
def test_what_is_not_plain_is_left_to_the_reader(body: bytes) -> None:
    """Quotes, blanks in front, rows of another width."""
    assert zeros_of(body, ",", {"a": 0}, 1, 2) is None
