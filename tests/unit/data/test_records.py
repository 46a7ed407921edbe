"""Delimited text to records, by the letter."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.data.records import column_names, ends_inside_quotes, header_end, split_line, split_records


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("a,b", ["a", "b"]),
        ("a,", ["a", ""]),
        (",", ["", ""]),
        ('"x,1","q""q"', ["x,1", 'q"q']),
        ('" sp ", y ', [" sp ", " y "]),
        ('""', [""]),
        ('"",""', ["", ""]),
        ('a"b,c', ['a"b', "c"]),
        ('"ab"cd,e', ["abcd", "e"]),
        ('1,"l1', ["1", '"l1']),
        ('1,"l1,x', ["1", '"l1,x']),
        ('"""', ['"""']),
    ],
)
def test_fields_of_a_line(line: str, fields: list[str]) -> None:
    """Quotes count at the beginning of a field, and only when they are closed."""
    assert split_line(line, ",") == fields
    assert ends_inside_quotes(line, ",") == (fields[-1].startswith('"'))


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8")), min_size=2))
def test_what_a_csv_writer_wrote_comes_back(fields: list[str]) -> None:
    """Any fields without line breaks, through the standard library's writer."""
    lines: list[str] = []

    class Sink:
        def write(self, text: str) -> None:
            lines.append(text)

    csv.writer(Sink(), lineterminator="").writerow(fields)
    assert split_line("".join(lines), ",") == fields


def test_blank_lines_are_no_records_and_every_line_end_counts() -> None:
    """\\n, \\r\\n and \\r end a line; an empty line is nothing."""
    assert list(split_records("a\n\nb\r\n\r\nc\rd", ",", multi_line=False)) == [["a"], ["b"], ["c"], ["d"]]


def test_a_quoted_field_spans_lines_only_when_the_table_supports_it() -> None:
    """support_multi_line of the reference, section 12."""
    text = '1,"l1\nl2"\n\n2,z\n'
    assert list(split_records(text, ",", multi_line=True)) == [["1", "l1\nl2"], ["2", "z"]]
    assert list(split_records(text, ",", multi_line=False)) == [["1", '"l1'], ['l2"'], ["2", "z"]]


def test_long_fields_do_not_change_the_limit_of_the_process() -> None:
    """A field above the csv module's limit is read, and the limit is as before."""
    before = csv.field_size_limit()
    [record] = split_records('"' + "x" * (before + 1) + '\n"', ",", multi_line=True)
    assert len(record[0]) == before + 2
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("body", "multi_line", "end"),
    [
        (b"a,b\n1,2\n", False, 4),
        (b"\n\r\na,b\r\n1,2\n", False, 8),
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
    """ColumnK for missing names, _1, _2 for repeated ones (reference, section 12)."""
    assert column_names(["a", "a", "", "a"], 5) == ("a", "a_1", "Column3", "a_2", "Column5")
    assert column_names(["a", "a", "a_1"], 0) == ("a", "a_1", "a_1_1")
    assert column_names([], 2) == ("Column1", "Column2")
