"""Delimited text to records, by the letter."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.tables.formats.delimited_records import (
    column_names,
    ends_inside_quotes,
    header_end,
    split_line,
    split_records,
)


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("a,b", ["a", "b"]),
        ("a,", ["a", None]),
        (",", [None, None]),
        ('"x,1","q""q"', ["x,1", 'q"q']),
        ('" sp ", y ', [" sp ", " y "]),
        ('""', [""]),
        ('"",""', ["", ""]),
        ('a"b,c', ['a"b', "c"]),
        ('"ab"cd,e', ["abcd", "e"]),
        ('1,"l1', ["1", '"l1']),
        ('1,"l1,x', ["1", '"l1', "x"]),
        ('"x,"y",2', ['x,y"', "2"]),
        ('",', ['"', None]),
        ('"""', ['"""']),
    ],
)
def test_fields_of_a_line(line: str, fields: list[str | None]) -> None:
    """Quotes count at the beginning of a field, and only when they are closed; None is nothing, not even quotes."""
    assert split_line(line, ",") == fields


@pytest.mark.parametrize(("line", "inside"), [('1,"l1', True), ('1,"l1,x', True), ('"""', True), ('"x",y"', False)])
def test_a_line_that_ends_inside_quotes(line: str, inside: bool) -> None:
    """Whose line feed a reader that follows quotes would take for part of a field."""
    assert ends_inside_quotes(line, ",") is inside


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8")), min_size=2))
def test_what_a_csv_writer_wrote_comes_back(fields: list[str]) -> None:
    """Any fields without line breaks, through the standard library's writer."""
    lines: list[str] = []

    class Sink:
        def write(self, text: str) -> None:
            lines.append(text)

    csv.writer(Sink(), lineterminator="").writerow(fields)
    assert split_line("".join(lines), ",", empty="") == fields


def test_empty_lines_are_no_records_and_lines_end_with_a_line_feed() -> None:
    """A carriage return in front of it is part of the end; a line of it alone is a record without a value."""
    assert list(split_records("a\n\nb\r\n\r\nc\rd", ",", multi_line=False)) == [["a"], ["b"], [None], ["c\rd"]]


@pytest.mark.parametrize(
    ("text", "records"),
    [
        ('1,"l1\nl2"\n2,z\n', [["1", "l1\nl2"], ["2", "z"]]),
        ("1,x\n\n\n2,y\n", [["1", "x"], ["\n"], ["2", "y"]]),
        ("\n1\n", [["\n1"]]),
        ("1\n\n", [["1"], ["\n"]]),
        ('1\n\n"y",z\n', [["1"], ['\n"y"', "z"]]),
        ("1,x\r\n\r\n2,y\r\n", [["1", "x"], ["2", "y"]]),
        ("1,2\r", [["1", "2\r"]]),
        ('"",\r\n', [["", None]]),
        ('"x,2\n3,4\n', [['"x', "2\n3", "4\n"]]),
        ('3,"x\n', [["3", '"x\n']]),
    ],
)
def test_records_of_several_lines(text: str, records: list[list[str | None]]) -> None:
    """support_multi_line, with an empty line at the start of a record, as measured with the original."""
    assert list(split_records(text, ",", multi_line=True)) == records


def test_a_quoted_field_stays_on_its_line_unless_the_table_says_otherwise() -> None:
    """support_multi_line of the reference, section 12."""
    assert list(split_records('1,"l1\nl2"\n2,z\n', ",", multi_line=False)) == [["1", '"l1'], ['l2"'], ["2", "z"]]


@pytest.mark.parametrize(
    ("body", "multi_line", "end"),
    [
        (b"a,b\n1,2\n", False, 4),
        (b"\n\r\na,b\r\n1,2\n", False, 3),
        (b"a,b", False, 3),
        (b'"a\nb",c\n1,2\n', True, 8),
        (b'"a\nb",c\n1,2\n', False, 3),
        (b"", False, 0),
    ],
)
def test_where_the_header_ends(body: bytes, multi_line: bool, end: int) -> None:
    """Behind the first line that is not blank, or behind its last quoted line break."""
    assert header_end(body, multi_line=multi_line) == end


def test_names_are_made_for_columns_without_one_and_told_apart() -> None:
    """ColumnK for missing names; repeated ones are counted through the header (measured with the original)."""
    assert column_names([" a", "a ", None, "a", " "], 6) == ("a", "a_1", "Column3", "a_2", "Column5", "Column6")
    assert column_names(["a", "a", "b", "b"], 0) == ("a", "a_1", "b", "b_2")
    assert column_names(["a", "a_1", "a_2", "a", "a"], 0) == ("a", "a_1", "a_2", "a_1_2", "a_3")
    assert column_names([], 2) == ("Column1", "Column2")
