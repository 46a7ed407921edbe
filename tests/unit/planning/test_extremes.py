"""Inputs at the ends of the scale: bounded, streamed, and with a clear rule for nothing at all (case 18)."""

import os
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from fanout.errors import InputError
from fanout.files import uris
from fanout.files.byte_ranges import open_bytes
from fanout.files.listing import FileEntry
from fanout.pipeline.model import DataType, EntryTask, MiniBatchSize, ParallelStep
from fanout.planning.manifests import SHARD_SIZE, Tally, next_shard
from fanout.planning.source import plan_mini_batches
from fanout.planning.split import split_files
from fanout.planning.tables.layout import TableLayout
from fanout.planning.tables.row_cuts import TableAccess, split_blocks
from fanout.storage.access import Access

GIB = 1024**3
READER = TableAccess(
    open=lambda entry: open_bytes(entry.uri, entry.size, Access()), row_groups=lambda _: (), has_header=lambda _: False
)


def _many(count: int) -> Iterator[str]:
    return (f"s3://bucket/prefix/part-{number:09d}.csv" for number in range(count))


def test_many_tiny_files_are_planned_in_flat_memory() -> None:
    """60,000 files, shard after shard: nothing of a shard is kept when the next one is made."""
    batches, tally = split_files(_many(60_000), 1), Tally()
    tracemalloc.start()
    try:
        number = 0
        while (shard := next_shard(batches, number)).lines:
            tally.add(shard)
            number += 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert tally.summary(None).mini_batches == 60_000
    assert number == 60_000 // SHARD_SIZE
    assert peak < 6 * 1024 * 1024


def test_a_file_of_fifty_gigabytes_is_cut_without_being_read(tmp_path: Path) -> None:
    """Only a little around each cut: extents follow each other without gaps, from the first byte to the last."""
    path, size = tmp_path / "large.csv", 50 * GIB
    with path.open("wb") as file:
        file.truncate(size)
        for number in range(1, 50):  # a line ends a little behind each gibibyte
            os.pwrite(file.fileno(), b"x\n", number * GIB + 1000)
        os.pwrite(file.fileno(), b"\n", size - 1)
    tracemalloc.start()
    try:
        entries = iter([FileEntry(uris.from_path(path), size)])
        pieces = [p for batch in split_blocks(entries, TableLayout(), GIB, READER) for p in batch.pieces]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(pieces) == 50
    assert (pieces[0].start, pieces[-1].stop) == (0, size)
    assert all(before.stop == after.start for before, after in pairwise(pieces))
    assert peak < 64 * 1024 * 1024


@pytest.mark.parametrize(
    ("content", "pieces"), [(b"", 0), (b"a,b\n", 0), (b"a,b\n1,2", 1), (b"a,b\n1,2\n", 1), (b"a\n" + b"x" * 100_000, 1)]
)
def test_little_tables(tmp_path: Path, content: bytes, pieces: int) -> None:
    """An empty file and a header alone have no mini-batch; one row, and one endless line, make one."""
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    reader = TableAccess(READER.open, READER.row_groups, lambda _: True)
    entries = iter([FileEntry(uris.from_path(path), len(content))])
    assert len(list(split_blocks(entries, TableLayout(), 1000, reader))) == pieces


def _files_step(count: int = 1) -> ParallelStep:
    return ParallelStep(
        name="s", task=EntryTask("score.py"), input_data="files", mini_batch_size=MiniBatchSize(count, "")
    )


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    """Nothing to do is a mistake rather than a success: the message names the folder."""
    with pytest.raises(InputError, match=str(tmp_path)):
        list(plan_mini_batches(_files_step(), uris.from_path(tmp_path), DataType.URI_FOLDER, None, Access()).batches)


def test_empty_files_are_items_like_others(tmp_path: Path) -> None:
    """A list of files does not look into them."""
    for name in ("a", "b"):
        (tmp_path / name).touch()
    planned = plan_mini_batches(_files_step(), uris.from_path(tmp_path), DataType.URI_FOLDER, None, Access())
    assert [batch.items for batch in planned.batches] == [1, 1]


NAMES = [
    b"caf\xe9.txt",
    b"a b",
    b" ",
    b"new\nline",
    b"-rf",
    b".hidden",
    b"%2e%2e",
    b"a\\b",
    b"nul\xc4\xb1",
    b"x" * 255,
    b"a#1",
    b"a?b",
]


def test_any_name_a_file_can_have_is_an_item(tmp_path: Path) -> None:
    """Bytes that are no UTF-8, line breaks, blanks, percent signs: each comes back as the path that it is."""
    for name in NAMES:
        (tmp_path / os.fsdecode(name)).write_bytes(name)
    planned = plan_mini_batches(_files_step(3), uris.from_path(tmp_path), DataType.URI_FOLDER, None, Access())
    found = [os.fsencode(uris.to_path(uri)) for batch in planned.batches for uri in batch.files]
    assert sorted(found) == sorted(os.fsencode(tmp_path) + b"/" + name for name in NAMES)


def test_links_that_lead_in_circles_end(tmp_path: Path) -> None:
    """A folder that links to itself is listed once, however deep the link would go."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").touch()
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in")
    planned = plan_mini_batches(_files_step(), uris.from_path(tmp_path / "in"), DataType.URI_FOLDER, None, Access())
    assert 1 <= sum(len(batch.files) for batch in planned.batches) <= 2


def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    """Left out silently it would be a file without a result."""
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"dangling: cannot be read: .*a link that leads nowhere"):
        list(plan_mini_batches(_files_step(), uris.from_path(tmp_path), DataType.URI_FOLDER, None, Access()).batches)
