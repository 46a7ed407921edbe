"""Blocks of delimited text to columns."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.tables.formats import delimited
from fanout.tables.formats.delimited import read_both, read_texts
from fanout.tables.formats.readers import Delimited
from fanout.tables.values.conversion import convert_texts, to_values
from fanout.tables.values.types import STRING, ColumnType, Kind

INT, FLOAT, BOOLEAN, DATETIME = (ColumnType(kind) for kind in (Kind.INT, Kind.FLOAT, Kind.BOOLEAN, Kind.DATETIME))


def read(body: str, reader: Delimited | None = None, **types: ColumnType) -> dict[str, list[Any]]:
    return read_both(body.encode(), reader or Delimited(), types)[1].to_pydict()


def test_values_have_the_types_of_their_columns() -> None:
    """The common case: every line is as the recipe says."""
    assert read("1,2.5,t,x\n-2,,F,\n", a=INT, b=FLOAT, c=BOOLEAN, d=STRING) == {
        "a": [1, -2],
        "b": [2.5, None],
        "c": [True, False],
        "d": ["x", None],
    }


def test_a_value_that_does_not_fit_is_null_and_the_rest_stays() -> None:
    """Misfits behind the head of the table (reference, section 12)."""
    assert read("1,x\nabc,y\n2.5,z\n+4,z\n", a=INT, b=STRING) == {"a": [1, None, 2, 4], "b": ["x", "y", "z", "z"]}


def test_short_records_are_filled_and_long_ones_add_columns_of_text() -> None:
    """Ragged lines (reference, section 12)."""
    assert read("1\n1,2,3\n\n4,5\n", a=INT, b=INT) == {"a": [1, 1, 4], "b": [None, 2, 5], "Column3": [None, "3", None]}


def test_a_block_without_records_has_the_columns() -> None:
    """Nothing, or nothing but empty lines; there are no columns where no record reaches them."""
    assert read("", a=INT) == read("\n\n", a=INT) == {}
    assert read("\r\n\n", a=INT) == {"a": [None]}


def test_lines_end_with_a_line_feed_alone() -> None:
    """One carriage return in front of it is part of the end, any other is text."""
    assert read("1,x\r\n2,y\rz\r\n", a=INT, b=STRING) == {"a": [1, 2], "b": ["x", "y\rz"]}
    assert read("1,x\r\r\n\r\n", a=INT, b=STRING) == {"a": [1, None], "b": ["x\r", None]}


def test_quotes_with_nothing_in_them_are_an_empty_text() -> None:
    """Only nothing at all is null."""
    assert read('"",\n,""\n', a=STRING, b=STRING) == {"a": ["", None], "b": [None, ""]}
    assert read('"",1\n2,\n', a=INT, b=INT) == {"a": [None, 2], "b": [1, None]}


def test_times_are_read_by_their_formats() -> None:
    """The fast ways take no more than the exact one, and what nanoseconds cannot hold is NaT, not null."""
    days = ColumnType(Kind.DATETIME, formats=("%Y-%m-%d",))
    seconds = ColumnType(Kind.DATETIME, formats=("%Y-%m-%d %H:%M:%S",))
    body = "2020-02-13,2020-02-13 10:11:12\n9999-01-01,9999-01-01 00:00:00\n,\n"
    for lines in (body, body + "2020-02-13T00:00:00,2020-02-13T10:11:12\n", body + '2020-2-13 ," 2020-2-13 1:2:3"\n'):
        table = read_both(lines.encode(), Delimited(), {"d": days, "s": seconds})[1]
        rows = len(lines.splitlines())
        assert [table["d"].null_count, table["s"].null_count] == (
            [1, 1] if "2020-2-13" in lines or rows == 3 else [2, 2]
        )
        times = [to_values(table[name]).astype(str).tolist() for name in ("d", "s")]
        assert [column[:3] for column in times] == [
            ["2020-02-13T00:00:00.000000000", "NaT", "NaT"],
            ["2020-02-13T10:11:12.000000000", "NaT", "NaT"],
        ]
        if "2020-2-13" in lines:
            assert [column[3][:19] for column in times] == ["2020-02-13T00:00:00", "2020-02-13T01:02:03"]


def test_an_unclosed_quote_does_not_swallow_lines() -> None:
    """Whatever pyarrow would make of it, a line is a record."""
    assert read('1,"l1\n2,z"\n3,y\n', a=INT, b=STRING) == {"a": [1, 2, 3], "b": ['"l1', 'z"', "y"]}
    assert read('1,"last', a=INT, b=STRING) == {"a": [1], "b": ['"last']}


def test_a_quoted_line_break_belongs_to_its_field_when_supported() -> None:
    """support_multi_line."""
    reader = Delimited(support_multi_line=True)
    assert read('1,"l1\nl2"\n2,z\n', reader, a=INT, b=STRING) == {"a": [1, 2], "b": ["l1\nl2", "z"]}
    assert read('1,"l1\nl2",x\n2\n', reader, a=INT, b=STRING)["b"] == ["l1\nl2", None]


def test_empty_texts_stay_when_asked_for() -> None:
    """empty_as_string; what a short line lacks is null all the same."""
    reader = Delimited(empty_as_string=True)
    assert read('x,\n"",y\n', reader, a=STRING, b=STRING) == {"a": ["x", ""], "b": ["", "y"]}
    assert read("x,\ny\n", reader, a=STRING, b=STRING) == {"a": ["x", "y"], "b": ["", None]}


def test_any_single_character_may_delimit() -> None:
    """Also one that pyarrow does not know."""
    for delimiter in "\t;|§ ":
        assert read(f"1{delimiter}x\n", Delimited(delimiter=delimiter), a=INT, b=STRING) == {"a": [1], "b": ["x"]}


def test_columns_nobody_needs_are_not_read() -> None:
    """leave_out of the fast way; the exact one may keep them."""
    assert read_both(b"1,2\n", Delimited(), {"a": INT, "b": INT}, frozenset("a"))[1].column_names == ["b"]


def test_formats_and_words_of_a_type_are_followed() -> None:
    """What the MLTable gives explicitly."""
    day = ColumnType(Kind.DATETIME, formats=("%d/%m/%Y", "%Y%m%d"))
    answer = ColumnType(Kind.BOOLEAN, true_values=("yes",), false_values=("no",))
    found = read("31/12/2020,yes\n20210101,no\n2021-01-01,1\n,\n", d=day, w=answer)
    assert [str(moment)[:10] for moment in found["d"]] == ["2020-12-31", "2021-01-01", "None", "None"]
    assert found["w"] == [True, False, None, None]


def test_text_that_is_not_utf8_is_an_error() -> None:
    """Never replaced silently."""
    with pytest.raises(UnicodeDecodeError):
        read_both(b"caf\xe9\n", Delimited(), {"a": STRING})[1]


def test_records_longer_than_a_block_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyarrow gives up on them; the exact way does not."""
    monkeypatch.setattr(delimited, "_BLOCK_LIMIT", 64)
    long = "x" * 200
    assert read(f"1,{long}\n2,y\n", a=INT, b=STRING) == {"a": [1, 2], "b": [long, "y"]}


FIELD = st.one_of(
    st.sampled_from(["", "0", "1", "t", "False", "001", "+7", "1e3", "-.5", "inf", "nan", "NA", " 3 ", "0x1F", "yes"]),
    st.sampled_from(["2020-02-13", "2020-02-13T10:11:12.5", "2020-02-13 10", "2020-02-30", "9999-12-31", "1.5.2"]),
    st.sampled_from(['"a,b"', '"q""q"', '"open', 'mid"dle', '"closed"tail', '""', '"', "é", "\u2028", "\x0b"]),
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=False).map(repr),
)
LINE = st.one_of(st.lists(FIELD, min_size=3, max_size=3), st.lists(FIELD, max_size=5)).map(",".join)
TYPES = st.sampled_from([INT, FLOAT, BOOLEAN, DATETIME, STRING])


@given(
    st.lists(LINE, max_size=6),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
    st.booleans(),
    st.tuples(TYPES, TYPES, TYPES),
)
def test_the_fast_ways_read_as_the_exact_one(
    lines: list[str], end: str, last_end: bool, empty: bool, types: tuple[ColumnType, ...]
) -> None:
    """Whatever is in a block, and whichever way it is read, the values are the same."""
    body = (end.join(lines) + (end if last_end else "")).encode()
    named = dict(zip("abc", types, strict=True))
    reader = Delimited(empty_as_string=empty)
    exact = convert_texts(delimited._by_record(body, reader, tuple(named)), named)
    assert_same(read_both(body, reader, named)[1].to_pydict(), exact.to_pydict())
    texts = delimited._by_record(body, reader, tuple(named))
    assert_same(read_texts(body, reader, tuple(named)).to_pydict(), texts.to_pydict())


def assert_same(found: dict[str, list[Any]], exact: dict[str, list[Any]]) -> None:
    """Equal, where nan stands for a fraction that is missing."""
    plain = [{name: [None if v != v else v for v in values] for name, values in t.items()} for t in (found, exact)]
    assert plain[0] == plain[1]
