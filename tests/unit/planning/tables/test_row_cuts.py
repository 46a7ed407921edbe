"""Tables into mini-batches: by bytes, by row group, by rows; take and skip before all of it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.errors import InputError
from fanout.files.byte_ranges import ByteSource
from fanout.files.listing import FileEntry
from fanout.planning.tables.layout import TableLayout
from fanout.planning.tables.row_cuts import TableAccess, split_blocks, split_rows
from fanout.records.mini_batch import Cut, MiniBatch, Piece
from fanout.tables.row_limits import RowLimits


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


def lines_reader(files: Mapping[str, bytes], *, header: bool = True) -> TableAccess:
    @contextmanager
    def opened(entry: FileEntry) -> Iterator[ByteSource]:
        yield Bytes(files[entry.uri])

    return TableAccess(open=opened, row_groups=lambda _: (), has_header=lambda _: header)


def parquet_reader(groups: Mapping[str, tuple[int, ...]]) -> TableAccess:
    @contextmanager
    def opened(entry: FileEntry) -> Iterator[ByteSource]:
        raise AssertionError("parquet is not read as lines")
        yield

    return TableAccess(open=opened, row_groups=lambda entry: groups[entry.uri], has_header=lambda _: False)


def entries(files: Mapping[str, object]) -> list[FileEntry]:
    return [FileEntry(uri, len(body) if isinstance(body, bytes) else 1) for uri, body in files.items()]


def rows_in(batches: Sequence[MiniBatch], files: Mapping[str, bytes]) -> list[list[bytes]]:
    """The data rows that a reader finds in each mini-batch, names left out."""
    return [[row for piece in batch.pieces for row in rows_of(piece, files)] for batch in batches]


def flat(rows: Sequence[Sequence[bytes]]) -> list[bytes]:
    return list(chain.from_iterable(rows))


def rows_of(piece: Piece, files: Mapping[str, bytes]) -> list[bytes]:
    assert piece.cut is Cut.BYTES
    found = [line for line in files[piece.uri][piece.start : piece.stop].split(b"\n") if line]
    return found[1:] if piece.start == 0 else found


def file_of(start: int, stop: int) -> bytes:
    return b"h\n" + b"".join(b"%d\n" % n for n in range(start, stop))


FILES = {"a": file_of(0, 7), "b": b"h\n", "c": file_of(7, 9), "d": file_of(9, 20)}
WORDS = [b"%d" % n for n in range(20)]


def test_blocks_never_cross_files() -> None:
    """A small file is one mini-batch, one without rows is none; how many rows there are is not known."""
    batches = list(split_blocks(entries(FILES), TableLayout(), 10, lines_reader(FILES)))
    assert [batch.index for batch in batches] == list(range(len(batches)))
    assert [[piece.uri for piece in batch.pieces] for batch in batches] == [[uri] for uri in "aacdddd"]
    assert flat(rows_in(batches, FILES)) == WORDS
    assert {batch.items for batch in batches} == {None}


def test_rows_cross_files() -> None:
    """Every mini-batch but the last has as many rows as asked for, and knows the number of its first one."""
    batches = list(split_rows(entries(FILES), TableLayout(), 8, lines_reader(FILES)))
    assert rows_in(batches, FILES) == [WORDS[:8], WORDS[8:16], WORDS[16:]]
    assert [(b.items, b.first_row, len(b.pieces)) for b in batches] == [(8, 0, 2), (8, 8, 2), (4, 16, 1)]


@given(st.integers(0, 25), st.none() | st.integers(0, 25), st.integers(1, 12), st.integers(1, 9))
def test_skip_and_take_hold_for_the_whole_table(skip: int, take: int | None, block: int, rows: int) -> None:
    """Whatever it is divided by, exactly the wanted rows are there, in order."""
    layout = TableLayout(limits=RowLimits(skip, take))
    wanted = WORDS[skip:] if take is None else WORDS[skip : skip + take]
    by_bytes = list(split_blocks(entries(FILES), layout, block, lines_reader(FILES)))
    by_rows = list(split_rows(entries(FILES), layout, rows, lines_reader(FILES)))
    assert flat(rows_in(by_bytes, FILES)) == flat(rows_in(by_rows, FILES)) == wanted
    assert all(rows_in(by_bytes, FILES))
    assert [b.items for b in by_rows] == [len(wanted[i : i + rows]) for i in range(0, len(wanted), rows)]


def test_files_behind_a_take_are_not_opened() -> None:
    """take of five rows of a million files looks at as many files as it needs."""
    asked = []

    def listing() -> Iterator[FileEntry]:
        for entry in entries(FILES):
            asked.append(entry.uri)
            yield entry

    layout = TableLayout(limits=RowLimits(0, 5))
    assert len(list(split_blocks(listing(), layout, 1000, lines_reader(FILES)))) == 1
    assert asked == ["a"]


def test_file_that_must_not_be_split() -> None:
    """One mini-batch a file, however large."""
    layout = TableLayout(splittable=False, multi_line=True)
    batches = list(split_blocks(entries(FILES), layout, 4, lines_reader(FILES)))
    assert [b.pieces for b in batches] == [(Piece(uri, 0, len(FILES[uri]), Cut.BYTES),) for uri in "acd"]


def test_quoted_line_breaks_are_no_rows() -> None:
    """mini_batch_rows counts what a reader counts."""
    files = {"a": b'h\n"1\n1"\n2\n"3\n\n"\n4\n'}
    layout = TableLayout(splittable=False, multi_line=True)
    found = [b.pieces for b in split_rows(entries(files), layout, 2, lines_reader(files))]
    assert found == [(Piece("a", 0, 10, Cut.BYTES),), (Piece("a", 10, 18, Cut.BYTES),)]


def test_rows_that_cannot_be_counted_are_refused() -> None:
    """The reason is said instead of cutting in the middle of a character."""
    with pytest.raises(InputError, match="mini_batch_rows: the rows of these files cannot be found by their bytes"):
        split_rows(entries(FILES), TableLayout(countable=False), 8, lines_reader(FILES))


GROUPS = {"p": (25, 25, 0, 50), "q": (), "r": (100,)}
PARQUET = TableLayout(parquet=True)


def test_one_mini_batch_a_row_group() -> None:
    """Row groups with rows, each with its count and first row (reference, section 5.2)."""
    batches = list(split_blocks(entries(GROUPS), PARQUET, 1, parquet_reader(GROUPS)))
    assert [(b.pieces[0].uri, b.pieces[0].start, b.pieces[0].stop, b.items, b.first_row) for b in batches] == [
        ("p", 0, 1, 25, 0),
        ("p", 1, 2, 25, 25),
        ("p", 3, 4, 50, 50),
        ("r", 0, 1, 100, 100),
    ]
    assert {piece.cut for b in batches for piece in b.pieces} == {Cut.ROW_GROUPS}


def test_row_groups_are_clipped() -> None:
    """Where skip and take leave part of a row group, its rows are named instead."""
    layout = TableLayout(parquet=True, limits=RowLimits(30, 80))
    found = [b.pieces for b in split_blocks(entries(GROUPS), layout, 1, parquet_reader(GROUPS))]
    assert found == [
        (Piece("p", 30, 50, Cut.ROWS),),
        (Piece("p", 3, 4, Cut.ROW_GROUPS),),
        (Piece("r", 0, 10, Cut.ROWS),),
    ]


def test_parquet_by_rows() -> None:
    """Rows of a file, whatever its row groups."""
    batches = list(split_rows(entries(GROUPS), PARQUET, 90, parquet_reader(GROUPS)))
    assert [b.pieces for b in batches] == [
        (Piece("p", 0, 90, Cut.ROWS),),
        (Piece("p", 90, 100, Cut.ROWS), Piece("r", 0, 80, Cut.ROWS)),
        (Piece("r", 80, 100, Cut.ROWS),),
    ]
    assert [(b.items, b.first_row) for b in batches] == [(90, 0), (90, 90), (20, 180)]


def test_items_are_unknown_behind_a_filter() -> None:
    """The rows of a block are known, those that pass are not."""
    layout = TableLayout(parquet=True, keeps_rows=False)
    assert {b.items for b in split_blocks(entries(GROUPS), layout, 1, parquet_reader(GROUPS))} == {None}
