"""Cuts at line starts: the Hadoop rule, against a plain reading of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fanout.tables.formats.line_cuts import Extent, LineFinder, cut_by_bytes, data_start

BOM = b"\xef\xbb\xbf"
THIRTY = b"h23456789\n" + b"".join(b"%09d\n" % n for n in range(1, 31))
# The lengths of the 75 lines of the iris examples' file, each with its newline.
# fmt: off
IRIS_LINES = [
    1114, 1126, 1113, 1121, 1120, 1122, 1124, 1123, 1126, 1120, 1115, 1123, 1121, 1124, 1122, 1123, 1122, 1121,
    1123, 1123, 1117, 1123, 1124, 1116, 1118, 1117, 1116, 1122, 1118, 1116, 1118, 1118, 1125, 1123, 1115, 1123,
    1116, 1120, 1119, 1119, 1124, 1115, 1118, 1119, 1117, 1128, 1123, 1118, 1118, 1119, 1118, 1116, 1120, 1126,
    1123, 1123, 1121, 1123, 1118, 1123, 1119, 1122, 1119, 1117, 1122, 1119, 1119, 1122, 1122, 1119, 1121, 1123,
    1124, 1122, 1123,
]
# fmt: on


@dataclass(slots=True)
class Bytes:
    """A file in memory that counts what is read of it."""

    body: bytes
    name: str = "memory"
    bytes_read: int = 0

    @property
    def size(self) -> int:
        return len(self.body)

    def read(self, start: int, stop: int) -> bytes:
        assert 0 <= start < stop <= self.size
        self.bytes_read += stop - start
        return self.body[start:stop]

    def read_many(self, starts: Sequence[int], length: int) -> list[bytes]:
        return [self.read(start, min(start + length, self.size)) for start in starts]


def data_lines(body: bytes, *, header: bool, at: int = 0) -> list[tuple[int, bytes]]:
    """Each line of data with where it starts: not empty, and not the header."""
    lines, start = [], 0
    for line in body.split(b"\n"):
        if line.removeprefix(BOM) if start == at == 0 else line:
            lines.append((start, line))
        start += len(line) + 1
    return lines[header:]


def by_the_rule(body: bytes, block: int, *, header: bool) -> list[list[bytes]]:
    """The lines of each block by the rule's own words, blocks without any left out."""
    blocks: dict[int, list[bytes]] = {}
    for start, line in data_lines(body, header=header):
        k = next(k for k in range(len(body) + 1) if (k * block < start or start == k == 0) and start <= (k + 1) * block)
        blocks.setdefault(k, []).append(line)
    return [blocks[k] for k in sorted(blocks)]


def lines_of(body: bytes, extents: Sequence[Extent], *, header: bool) -> list[list[bytes]]:
    """What a reader finds in each extent, meeting the header in the one that begins at byte 0."""
    found = (data_lines(body[e.start : e.stop], header=header and e.start == 0, at=e.start) for e in extents)
    return [[line for _, line in lines] for lines in found]


def test_boundary_belongs_to_the_earlier_block() -> None:
    """Lines of ten bytes and blocks of a hundred: the one that starts at the boundary counts to the block before."""
    found = lines_of(THIRTY, list(cut_by_bytes(Bytes(THIRTY), 100, header=True)), header=True)
    assert [len(lines) for lines in found] == [10, 10, 10]


def test_missing_newline_at_the_end() -> None:
    """The last line counts without its newline, and the offsets are the same."""
    body = THIRTY[:-1]
    found = lines_of(body, list(cut_by_bytes(Bytes(body), 95, header=True)), header=True)
    assert [len(lines) for lines in found] == [9, 10, 9, 2]


def test_iris_in_blocks_of_ten_kilobytes() -> None:
    """75 lines of iris's length, the first one eaten as names: 9 mini-batches (reference, section 0)."""
    body = b"".join(b"x" * (length - 1) + b"\n" for length in IRIS_LINES)
    found = lines_of(body, list(cut_by_bytes(Bytes(body), 10 * 1024, header=True)), header=True)
    assert [len(lines) for lines in found] == [9, 9, 9, 9, 9, 9, 9, 10, 1]
    found = lines_of(body, list(cut_by_bytes(Bytes(body), 100, header=True)), header=True)
    assert [len(lines) for lines in found] == [1] * 74


line_ends = st.sampled_from([b"\n", b"\n", b"\r\n", b"\n\n", b"\r\n\r\n"])
texts = st.builds(
    lambda mark, lines, last: mark + b"".join(text + end for text, end in lines) + last,
    st.sampled_from([b"", b"", BOM, b"\n", b"\r\n\n"]),
    st.lists(st.tuples(st.binary(max_size=30).map(lambda b: b.translate(None, b"\r\n")), line_ends), max_size=25),
    st.sampled_from([b"", b"tail", b"\n\n"]),
)


@given(texts, st.integers(1, 80), st.booleans())
@example(b"", 1, True)
@example(b"h\n", 1, True)
@example(b"h\n1\n", 100, True)
@example(b"\n\nh\n1\n", 1, True)
@example(BOM, 1, False)
@example(b"a\n\n\n\n\n\nb\n", 2, False)
def test_blocks_follow_the_rule(body: bytes, block: int, header: bool) -> None:
    """Every line of data is in exactly one block, in order, and in the one that the rule says."""
    extents = list(cut_by_bytes(Bytes(body), block, header=header))
    assert lines_of(body, extents, header=header) == by_the_rule(body, block, header=header)
    assert all(before.stop == after.start for before, after in pairwise(extents))


@given(st.lists(st.integers(0, 9000), min_size=1, max_size=60), st.integers(10_000, 300_000), st.randoms())
def test_blocks_follow_the_rule_when_only_windows_are_read(lengths: list[int], block: int, random: object) -> None:
    """Blocks far larger than what is read around a cut give the same lines."""
    body = b"".join(b"%d" % n + b"x" * (40 * n) + b"\n" for n in lengths)
    extents = list(cut_by_bytes(Bytes(body), block, header=False))
    assert lines_of(body, extents, header=False) == by_whole_lines(body, block)


def by_whole_lines(body: bytes, block: int) -> list[list[bytes]]:
    blocks: dict[int, list[bytes]] = {}
    for start, line in data_lines(body, header=False):
        blocks.setdefault(max(0, -(-start // block) - 1), []).append(line)
    return [blocks[k] for k in sorted(blocks)]


def test_only_a_little_is_read_around_each_cut() -> None:
    """A file of 64 MiB in blocks of 1 MiB is planned from less than half a megabyte of it."""
    source = Bytes(b"%099d\n" % 1 * (64 * 1024 * 1024 // 100))
    extents = list(cut_by_bytes(source, 1024 * 1024, header=True))
    assert len(extents) == 64
    assert source.bytes_read < 512 * 1024


def test_line_longer_than_many_blocks() -> None:
    """The blocks in the middle of a long line do not exist, and its length is searched once."""
    body = b"a\n" + b"x" * 5_000_000 + b"\nb\n"
    source = Bytes(body)
    extents = list(cut_by_bytes(source, 100_000, header=False))
    assert extents == [Extent(0, len(body) - 2), Extent(len(body) - 2, len(body))]
    assert source.bytes_read < 2 * len(body) + 4 * 1024 * 1024


def test_narrowed_to_part_of_a_file() -> None:
    """Blocks stay where they are when only some lines are wanted, the first and last one are clipped."""
    extents = list(cut_by_bytes(Bytes(THIRTY), 100, header=True, lines=Extent(50, 220)))
    assert extents == [Extent(50, 110), Extent(110, 210), Extent(210, 220)]


def test_without_data_there_is_no_block() -> None:
    """Empty, blank, and header alone: nothing to run on."""
    for body in (b"", b"\n\r\n\n", b"a,b\n", b"a,b", BOM + b"\na,b\n\n"):
        assert list(cut_by_bytes(Bytes(body), 10, header=True)) == []


@pytest.mark.parametrize(
    ("body", "header", "start"),
    [
        (b"a\nb\n", False, 0),
        (b"h\r1\r2\r", True, 6),
        (b"h\r", True, 2),
        (b"a\nb\n", True, 2),
        (b"\n\r\na\n\nb", True, 3),
        (b"\n\nb", False, 2),
        (BOM + b"a\nb", True, 5),
    ],
)
def test_data_start(body: bytes, header: bool, start: int) -> None:
    """Blank lines and names come before the data."""
    assert data_start(Bytes(body), header=header) == start


def test_next_line_at_the_end() -> None:
    """Behind the last line there is the file's size."""
    finder = LineFinder(Bytes(b"a\nb"), 1)
    assert [finder.next_line(position) for position in range(4)] == [2, 2, 3, 3]
