"""Mini-batches around those that an earlier run has had: these stay as they were, and what is new goes between. Pure.

A mini-batch of the earlier run is known when all of its items are there, unchanged and next to each other in the same
order. Then it is one here, too, whatever has come before or behind it, so that its result can be taken over. Items of
any other are new.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from fanout.records.mini_batch import MiniBatch

Versions = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """A file of the input and the digest of its version (`fanout.planning.item_versions`)."""

    uri: str
    version: str


@dataclass(slots=True)
class KnownBatches:
    """Mini-batches of an earlier run whose results can be taken over: their indexes there, by their items' versions."""

    by_first: dict[str, tuple[Versions, int]] = field(default_factory=dict)
    partitions: dict[tuple[tuple[str, ...], Versions], int] = field(default_factory=dict)

    def add(self, index: int, versions: Versions, partition: Sequence[str] | None = None) -> None:
        """One more; `partition` are its values of the partition keys, where it has any."""
        if partition is not None:
            self.partitions[tuple(partition), versions] = index
        elif versions:
            self.by_first[versions[0]] = versions, index


def split_around(items: Iterable[Item], size: int, known: KnownBatches) -> Iterator[MiniBatch]:
    """Mini-batches of `size` new items, or fewer before a known one; in the order of the items."""
    left, ahead, fresh, index = iter(items), deque[Item](), list[Item](), 0
    while ahead or (ahead := deque(_taken(left, 1))):
        found = known.by_first.get(ahead[0].version)
        if found is not None:
            ahead.extend(_taken(left, len(found[0]) - len(ahead)))
        is_known = found is not None and _begins_with(ahead, found[0])
        if fresh and (is_known or len(fresh) == size):
            yield _batch(index, fresh)
            index, fresh = index + 1, []
        if found is not None and is_known:
            yield _batch(index, [ahead.popleft() for _ in found[0]], found[1])
            index += 1
        else:
            fresh.append(ahead.popleft())
    if fresh:
        yield _batch(index, fresh)


def _taken(items: Iterator[Item], count: int) -> Iterator[Item]:
    for _ in range(count):
        item = next(items, None)
        if item is None:
            return
        yield item


def _begins_with(ahead: Sequence[Item], versions: Versions) -> bool:
    return len(ahead) >= len(versions) and all(ahead[i].version == version for i, version in enumerate(versions))


def _batch(index: int, items: Sequence[Item], known: int | None = None) -> MiniBatch:
    files, versions = tuple(item.uri for item in items), tuple(item.version for item in items)
    return MiniBatch(index, files=files, items=len(files), versions=versions, known=known)


def with_versions(batch: MiniBatch, versions: Versions, known: KnownBatches) -> MiniBatch:
    """A partition with the versions of its files, and which partition of the earlier run it is, where it is one."""
    batch.versions = versions
    batch.known = known.partitions.get((tuple(batch.partition.values()), versions))
    return batch
