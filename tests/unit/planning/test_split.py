"""Lists of files into mini-batches."""

from collections.abc import Mapping
from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.errors import InputError
from fanout.files.listing import FileEntry
from fanout.planning.split import check_keys, split_files, split_partitions
from fanout.records.mini_batch import Cut, MiniBatch, Piece


def entries(*names: str) -> list[FileEntry]:
    return [FileEntry(f"file:///{name}", 10) for name in names]


@given(st.integers(0, 50), st.integers(1, 12))
def test_every_file_once_and_in_order(files: int, size: int) -> None:
    """Chunks of the asked size, only the last one shorter, indexes dense from 0."""
    given_files = [f"file:///{n:02}" for n in range(files)]
    batches = list(split_files(given_files, size))
    assert [uri for batch in batches for uri in batch.files] == given_files
    assert [batch.index for batch in batches] == list(range(-(-files // size)))
    assert all(len(batch.files) == batch.items == size for batch in batches[:-1])


def test_files_are_asked_for_one_chunk_at_a_time() -> None:
    """An endless listing does not keep the first mini-batches waiting."""
    endless = (f"file:///{n}" for n in count())
    assert [b.files for b in islice(split_files(endless, 2), 2)] == [
        ("file:///0", "file:///1"),
        ("file:///2", "file:///3"),
    ]


def values(uri: str) -> Mapping[str, str] | None:
    parts = uri.removeprefix("file:///").split("/")
    return dict(zip(("user", "season", "genre"), parts, strict=False)) if len(parts) == 4 else None


FILES = entries("b/summer/rock/1", "a/winter/rock/1", "a/summer/jazz/1", "a/summer/rock/1")


def test_partitions_are_sorted_and_keep_the_order_of_files() -> None:
    """A subset of the keys joins all files with the same values; keys come in the order asked for."""
    batches = list(split_partitions(FILES, ["genre", "user"], ["user", "season", "genre"], values, table=False))
    assert [(b.index, list(b.partition.items()), b.files) for b in batches] == [
        (0, [("genre", "jazz"), ("user", "a")], ("file:///a/summer/jazz/1",)),
        (1, [("genre", "rock"), ("user", "a")], ("file:///a/winter/rock/1", "file:///a/summer/rock/1")),
        (2, [("genre", "rock"), ("user", "b")], ("file:///b/summer/rock/1",)),
    ]


def test_partition_of_a_table_is_made_of_whole_files() -> None:
    """Each file of the partition is one piece."""
    [first, *_] = split_partitions(FILES, ["user"], ["user", "season", "genre"], values, table=True)
    assert first == MiniBatch(
        0,
        pieces=tuple(Piece(entry.uri, 0, 10, Cut.WHOLE) for entry in FILES[1:]),
        partition={"user": "a"},
    )


def test_keys_that_the_input_does_not_have() -> None:
    """The message names those it has."""
    with pytest.raises(InputError, match="brand: no such partition of the input; it has user, season"):
        check_keys(["user", "brand"], ["user", "season"])
    with pytest.raises(InputError, match="none, as its MLTable has no extract_columns_from_partition_format"):
        check_keys(["user"], [])
    with pytest.raises(InputError, match="each key once"):
        check_keys(["user", "user"], ["user"])


def test_file_that_does_not_fit_the_format() -> None:
    """It would belong to no mini-batch, so it is told."""
    with pytest.raises(InputError, match=r"^/odd: does not fit the partition_format"):
        list(split_partitions(entries("odd"), ["user"], ["user"], values, table=False))
