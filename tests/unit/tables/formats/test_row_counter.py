"""Counting rows: by the lines, and by the quotes where those may span lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.tables.formats import row_counter
from fanout.tables.formats.delimited_records import split_records
from fanout.tables.formats.line_cuts import Extent
from fanout.tables.formats.row_counter import RowReader


@dataclass(frozen=True, slots=True)
class Bytes:
    """A file in memory."""

    body: bytes
    name: str = "memory"

    @property
    def size(self) -> int:
        return len(self.body)

    def read(self, start: int, stop: int) -> bytes:
        return self.body[start:stop]

    def read_many(self, starts: Sequence[int], length: int) -> list[bytes]:
        return [self.body[start : start + length] for start in starts]


@pytest.fixture
def tiny_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that rows lie across what is read at once."""
    monkeypatch.setattr(row_counter, "_CHUNK", 7)


def chunks(reader: RowReader, count: int) -> list[tuple[Extent, int]]:
    found = []
    while (taken := reader.take(count))[1]:
        found.append(taken)
    return found


def test_rows_by_count() -> None:
    """Extents of two rows each behind the header; the last one has what is left, without a newline too."""
    reader = RowReader(Bytes(b"h\n1\n2\n3\n4\n5"), header=True)
    assert chunks(reader, 2) == [(Extent(0, 6), 2), (Extent(6, 10), 2), (Extent(10, 11), 1)]


def test_blank_lines_are_no_rows() -> None:
    """They lie in an extent and do not count; one of CR LF is a row without values."""
    reader = RowReader(Bytes(b"\n\nh\r\n1\r\n\r\n2\n\n\n3\n\n"), header=True)
    assert [rows for _, rows in chunks(reader, 1)] == [1, 1, 1, 1]
    assert reader.count() == 0


def test_line_breaks_in_quotes() -> None:
    """A quoted value may span lines, also in the header; two quotes within stand for one."""
    body = b'"a\nb",c\n"x\n""y""\n",1\nz,2\n"never closed\n'
    assert chunks(RowReader(Bytes(body), header=True, multi_line=True), 1) == [
        (Extent(0, 21), 1),
        (Extent(21, 25), 1),
        (Extent(25, len(body)), 1),
    ]
    assert RowReader(Bytes(body), header=True).count() == 6


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (b"a\r1\r2\r", 0),  # a carriage return alone ends no line
        (b'"a\nb",c\n', 0),
        (b'"a\nb",c', 0),
        (b"", 0),
        (b"a\n1\n\n\n2\n", 3),  # the line feed of an empty line begins a row
        (b"a\n1\n\n", 2),
        (b"a\r\n1\r\n\r\n2\r\n", 2),
    ],
)
def test_rows_of_several_lines_behind_the_header(body: bytes, rows: int) -> None:
    """They are counted as records.py splits them."""
    assert RowReader(Bytes(body), header=True, multi_line=True).count() == rows
    records = list(split_records(body.decode(), ",", multi_line=True))
    assert len(records[1:]) == rows


def test_within_an_extent() -> None:
    """Rows of one block only; the block at byte 0 has the header in front."""
    source = Bytes(b"h\n1\n2\n3\n")
    assert RowReader(source, header=True, within=Extent(0, 4)).count() == 1
    assert chunks(RowReader(source, header=True, within=Extent(4, 8)), 1) == [(Extent(4, 6), 1), (Extent(6, 8), 1)]


rows = st.lists(st.text(alphabet='ab,"', max_size=12).map(str.encode), max_size=12)
line_ends = st.sampled_from([b"\n", b"\r\n", b"\r\r\n"])


@given(rows, line_ends, st.integers(1, 4), st.booleans(), st.booleans())
def test_extents_partition_the_rows(lines: list[bytes], end: bytes, count: int, header: bool, last: bool) -> None:
    """Whatever the chunks that are read: every line is in one extent, in order, and counted as it is."""
    body = end.join(lines) + (end if last else b"")
    expected = [line for line in body.split(b"\n") if line][header:]
    found = chunks(RowReader(Bytes(body), header=header), count)
    assert [n for _, n in found] == [len(expected[i : i + count]) for i in range(0, len(expected), count)]
    assert all(before.stop == after.start for (before, _), (after, _) in pairwise(found))
    if found:
        text = body[: found[-1][0].stop]
        assert (found[0][0].start, [line for line in text.split(b"\n") if line][header:]) == (0, expected)


@pytest.mark.usefixtures("tiny_chunks")
@pytest.mark.parametrize("multi_line", [False, True])
def test_rows_longer_than_what_is_read_at_once(multi_line: bool) -> None:
    """A row is found whole however many reads it takes."""
    body = b"header,names\n" + b"".join(b'"%s",x\n' % (b"y" * n) for n in range(20))
    reader = RowReader(Bytes(body), header=True, multi_line=multi_line)
    found = chunks(reader, 3)
    assert [n for _, n in found] == [3] * 6 + [2]
    assert [body[e.start : e.stop].count(b"\n") for e, _ in found] == [4] + [3] * 5 + [2]
