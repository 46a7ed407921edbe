"""Files and tables into mini-batches: streaming, in the order of the input, with dense indexes from 0.

The same input and division give the same mini-batches. Nothing is listed here and nothing is opened but through what is
passed in, so the whole of it can be tried on values.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count, islice

from fanout.errors import InputError
from fanout.files.listing import FileEntry
from fanout.files.uris import display
from fanout.planning.division import ByBytes, ByCount, ByPartition, ByRank, ByRows, Division
from fanout.records.mini_batch import Cut, MiniBatch, Piece

PartitionValues = Callable[[str], Mapping[str, str] | None]
"""The values that a URI's path gives to the names of the partition format; None when it does not fit it."""


def split_list(
    files: Iterator[str], division: Division, known: Sequence[str], values: PartitionValues
) -> Iterator[MiniBatch]:
    """A list of files, which is divided by count or by the values of partition keys; InputError for any other way."""
    match division:
        case ByCount(files=count):
            return split_files(files, count)
        case ByPartition(keys=keys):
            return split_partitions((FileEntry(uri, 0) for uri in files), keys, known, values, table=False)
        case ByBytes() | ByRows() | ByRank():
            raise InputError("a list of files is divided by count or by partition_keys")


def split_files(uris: Iterable[str], files: int) -> Iterator[MiniBatch]:
    """Consecutive files, `files` at a time."""
    left = iter(uris)
    for index in count():
        chunk = tuple(islice(left, files))
        if not chunk:
            return
        yield MiniBatch(index, files=chunk, items=len(chunk))


def split_partitions(
    entries: Iterable[FileEntry], keys: Sequence[str], known: Sequence[str], values: PartitionValues, *, table: bool
) -> Iterator[MiniBatch]:
    """One mini-batch for each distinct tuple of values of `keys`, sorted by that tuple, holding all its files.

    `known` are the names of the partition format. InputError when a key is none of them, or when a file does not fit
    the format: it would be lost silently.
    """
    check_keys(keys, known)
    groups: dict[tuple[str, ...], list[FileEntry]] = {}
    for entry in entries:
        groups.setdefault(_value_tuple(entry, keys, values), []).append(entry)
    for index, tuple_ in enumerate(sorted(groups)):
        yield _partition(index, dict(zip(keys, tuple_, strict=True)), groups.pop(tuple_), table=table)


def check_keys(keys: Sequence[str], known: Sequence[str]) -> None:
    """InputError, naming the known ones, unless every partition key is a name of the partition format, once."""
    unknown = [key for key in keys if key not in known]
    if unknown:
        names = ", ".join(known) if known else "none, as its MLTable has no extract_columns_from_partition_format"
        raise InputError(f"partition_keys: {', '.join(unknown)}: no such partition of the input; it has {names}")
    if len(set(keys)) < len(keys):
        raise InputError(f"partition_keys: each key once, found {', '.join(keys)}")


def _value_tuple(entry: FileEntry, keys: Sequence[str], values: PartitionValues) -> tuple[str, ...]:
    found = values(entry.uri)
    if found is None:
        raise InputError(
            f"{display(entry.uri)}: does not fit the partition_format, so it has no value for {', '.join(keys)}"
        )
    return tuple(found[key] for key in keys)


def _partition(index: int, values: Mapping[str, str], entries: Sequence[FileEntry], *, table: bool) -> MiniBatch:
    if table:
        pieces = tuple(Piece(entry.uri, 0, entry.size, Cut.WHOLE) for entry in entries)
        return MiniBatch(index, pieces=pieces, partition=values)
    return MiniBatch(index, files=tuple(entry.uri for entry in entries), items=len(entries), partition=values)
