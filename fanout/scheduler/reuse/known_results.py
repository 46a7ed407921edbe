"""Takes over results of an earlier run of a step, mini-batch by mini-batch, when only some items are new.

The results are copied: before messages are sent, a result object with them is written under a node number of its own.
So the ledger takes them in like those of any node. A mini-batch whose result was not copied, because the process ended
before, is run like any other. The run that they come from is noted only once, since the plan follows from it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING

from fanout.errors import RunError
from fanout.files.uris import display
from fanout.output.row_windows import WINDOW, rows_in_order
from fanout.planning.item_versions import UNKNOWN, read_versions, write_versions
from fanout.planning.known_items import KnownBatches
from fanout.planning.manifests import SHARD_SIZE, PlanSummary, Shard, read_shard, read_summary
from fanout.records.mini_batch import decode
from fanout.records.node_registration import register
from fanout.records.seal import step_seal
from fanout.records.step import read_record
from fanout.results import codec
from fanout.results.codec import STATUSES, Entry, ResultIndex, Status
from fanout.results.ledger import Ledger
from fanout.results.reader import absorb_sealed, first_ledger, read_index
from fanout.results.winners import ResultObject, Winner
from fanout.scheduler.reuse.differences import few
from fanout.scheduler.reuse.made_from import ORIGINS, Origin
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import create, read
from fanout.tasks import each

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SHOWN = 10
"""New files whose names are kept for the sentence about them."""


async def known_from(store: "ObjectStore", at: StepRound) -> Origin | None:
    """Returns the step that results are taken over from; None when there is none."""
    key = keys.known_json(at)
    body = await read(store, key)
    return None if body is None else ORIGINS.load(body, key)


@dataclass(slots=True)
class KnownResults:
    """The results of a step that has ended, as far as they can be taken over one by one.

    These are the results of mini-batches that succeeded as a whole and have left no files.
    """

    store: "ObjectStore"
    source: Origin
    plan: PlanSummary
    ledger: Ledger
    partitioned: bool
    with_files: frozenset[int]
    _winners: Iterator[Winner] = field(init=False)
    _next: Winner | None = None

    def __post_init__(self) -> None:
        self._winners = self._whole()

    @classmethod
    async def load(cls, store: "ObjectStore", source: Origin) -> "KnownResults | None":
        """Returns the results of `source`; None when they are gone, or cannot be taken over one by one."""
        sealed, record = await step_seal(store, source.at), await read_record(store, source.at)
        plan = await read_summary(store, source.planned_at)
        if sealed is None or record is None or plan is None:
            return None
        with_files, at_the_end = set[int](), list[str]()

        def look(_: int, index: ResultIndex) -> None:
            with_files.update(entry.index for entry in index.entries.special.values() if entry.files)
            at_the_end.extend(name for event in index.events for name in event.files)

        ledger = await first_ledger(store, source.at, record.continues, record.step)
        await absorb_sealed(store, source.at, sealed.objects, ledger, look, fenced=sealed.fenced)
        if at_the_end:
            return None  # what shutdown() has written is of all mini-batches together
        return cls(store, source, plan, ledger, bool(record.step.partition_keys), frozenset(with_files))

    async def batches(self) -> KnownBatches:
        """Returns the mini-batches that can be taken over, by the versions of their items."""
        found, whole = KnownBatches(), {winner.index for winner in self._whole()}
        for number in range(self.plan.shards):
            versions = await read_versions(self.store, self.source.planned_at, number)
            partitions = await self._partitions(number)
            for index, of_batch in enumerate(versions, number * SHARD_SIZE):
                if index in whole and UNKNOWN not in of_batch:
                    found.add(index, of_batch, partitions.get(index))
        return found

    async def copy(self, known: Mapping[int, int], to: StepRound, node: int, first: int) -> tuple[list[int], int]:
        """Copies results to mini-batches of `to`; `known` maps each of these to the mini-batch here to copy from.

        The results are written as those of the node `node`, from object number `first` on. Returns the mini-batches
        whose results were there, and the number of the next object.
        """
        winners = [(new, winner) for new, old in known.items() if (winner := self._winner(old)) is not None]
        for some in _of_size(winners, WINDOW):
            entries, rows = await self._entries(some), await self._rows(some)
            await create(self.store, keys.result(to, node, first), codec.encode(entries, rows))
            first += 1
        return [new for new, _ in winners], first

    def _winner(self, index: int) -> Winner | None:
        """Returns the winner of this mini-batch; None when it has none.

        Call it in the order of the plan: a mini-batch that is asked for too late is not found, and is run again.
        """
        while self._next is None or self._next.index < index:
            self._next = next(self._winners, None)
            if self._next is None:
                return None
        return self._next if self._next.index == index else None

    def _whole(self) -> Iterator[Winner]:
        for index, found in groupby(self.ledger.winners(), key=lambda winner: winner.index):
            winner, *more = found
            if more or index in self.with_files or self.ledger.has_failed_parts(index):
                continue
            if self.ledger.outcome(index) is Status.SUCCEEDED:
                yield winner

    async def _partitions(self, number: int) -> dict[int, tuple[str, ...]]:
        """Returns the values of the partition keys of each mini-batch of a shard; empty without partition keys."""
        if not self.partitioned:
            return {}
        shard = await read_shard(self.store, self.source.planned_at, number, self.plan)
        key = keys.manifest(self.source.planned_at, number)
        batches = (decode(line, key) for line in shard.lines)
        return {batch.index: tuple(batch.partition.values()) for batch in batches}

    async def _entries(self, some: Sequence[tuple[int, Winner]]) -> list[Entry]:
        """Returns the entry of each of these results, with the index that the mini-batch has now."""
        objects = list(dict.fromkeys(winner.object for _, winner in some))
        found = dict(zip(objects, await each(self._successes, objects), strict=True))
        return [replace(found[winner.object][winner.index], index=new, attempt=0) for new, winner in some]

    async def _successes(self, of: ResultObject) -> "Successes":
        key = of.key(self.source.at)
        found = await read_index(self.store, key)
        if found is None:
            raise codec.lost_object(key)
        return Successes(found)

    async def _rows(self, some: Sequence[tuple[int, Winner]]) -> list[bytes]:
        found: dict[int, list[memoryview]] = {}
        async for rows in rows_in_order(self.store, self.source.at, (winner for _, winner in some)):
            found.setdefault(rows.winner.index, []).append(rows.payload)
        return [b"".join(found.get(winner.index, ())) for _, winner in some]


@dataclass(slots=True)
class TakenItems:
    """The keeper that `fanout.planning.publish` calls for each new shard: notes item versions, copies known results.

    `count` is how many mini-batches were taken over, `new` how many were not; `fresh` holds the first files of the
    latter.
    """

    store: "ObjectStore"
    at: StepRound
    planned_at: StepRound
    ledger: Ledger
    known: KnownResults | None
    count: int = 0
    new: int = 0
    fresh: list[str] = field(default_factory=list)
    _node: int | None = None
    _next: int = 0

    async def note(self, shard: Shard) -> None:
        """Writes the versions of the shard's items, before the shard is written and its messages are sent."""
        if shard.versions is not None:
            await write_versions(self.store, self.planned_at, shard.number, shard.versions)

    async def take_over(self, shard: Shard) -> Collection[int]:
        """Copies known results; returns the mini-batches of the shard that need no message as a result."""
        self._count_new(shard)
        wanted = {new: old for new, old in shard.known.items() if not self.ledger.is_settled(new)}
        if self.known is None or not shard.known:
            return ()
        if self._node is None and wanted:
            self._node = await register(self.store, self.at)
        taken: list[int] = []
        if self._node is not None:
            taken, self._next = await self.known.copy(wanted, self.at, self._node, self._next)
        self.count += len(shard.known) - len(wanted) + len(taken)
        return frozenset(taken)

    def _count_new(self, shard: Shard) -> None:
        self.new += len(shard.lines) - len(shard.known)
        for place, line in enumerate(shard.lines):
            if len(self.fresh) >= SHOWN:
                return
            if shard.first_index + place not in shard.known:
                self.fresh += decode(line, "a new mini-batch").files

    @property
    def sentence(self) -> str | None:
        """What was taken over and what is new, once all is planned; None when nothing was to be taken over."""
        if self.known is None:
            return None
        total = self.count + self.new
        files = few([display(uri).rpartition("/")[2] for uri in self.fresh])
        rest = f"; {self.new} {'runs' if self.new == 1 else 'run'}: {files}" if self.new else ""
        if self.known.with_files:
            rest += " (mini-batches that wrote files into output folders are not taken over)"
        return f"{self.count} of {total} mini-batches are taken over from run {self.known.source.run}{rest}"


async def load_known(store: "ObjectStore", at: StepRound) -> KnownResults | None:
    """Returns the results that the step takes over; None when it takes over none.

    RunError when the run that they come from was removed since this run began.
    """
    source = await known_from(store, at)
    if source is None:
        return None
    found = await KnownResults.load(store, source)
    if found is None:
        raise RunError(
            f"step {at}: run {source.run}, whose results it takes over, is not in the store any more; start a new run"
        )
    return found


class Successes:
    """The first success of each mini-batch in a result object."""

    def __init__(self, index: ResultIndex) -> None:
        self._entries = index.entries
        self._places: dict[int, int] = {}
        numbers = index.entries.columns
        for place, (number, status) in enumerate(zip(numbers.index, numbers.status, strict=True)):
            if STATUSES[status] is Status.SUCCEEDED:
                self._places.setdefault(number, place)

    def __getitem__(self, number: int) -> Entry:
        return self._entries[self._places[number]]


def _of_size(some: Sequence[tuple[int, Winner]], most: int) -> Iterator[list[tuple[int, Winner]]]:
    """Yields the results in groups whose rows have at most `most` bytes; a larger result is a group of its own."""
    part, size = list[tuple[int, Winner]](), 0
    for new, winner in some:
        if part and size + winner.length > most:
            yield part
            part, size = [], 0
        part.append((new, winner))
        size += winner.length
    if part:
        yield part
