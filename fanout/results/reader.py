"""Reading result objects as they appear: each node numbers its own without gaps, so the next is asked for by name."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError

from fanout.errors import DamagedRecordError
from fanout.pipeline.model import ParallelStep
from fanout.planning.manifests import read_summary
from fanout.records.seal import step_seal
from fanout.records.step import Continued, read_record
from fanout.results import codec
from fanout.results.codec import ResultIndex
from fanout.results.fences import Fences, fenced_nodes
from fanout.results.ledger import Ledger
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import is_surely_missing, list_names, read_range, translated
from fanout.storage.retry import with_retries

if TYPE_CHECKING:
    from obstore.store import ObjectStore


@dataclass(slots=True)
class ResultReader:
    """Follows the results of one step; `next_of` says which object of each node comes next."""

    store: "ObjectStore"
    at: StepRound
    next_of: dict[int, int] = field(default_factory=dict)

    async def look_for_nodes(self) -> None:
        """Nodes that have announced themselves since are followed too."""
        for name in await list_names(self.store, keys.nodes(self.at)):
            if name.isdecimal():  # a local folder may hold files of other programs
                self.follow(int(name))

    def follow(self, node: int) -> None:
        """What this node commits is news, too."""
        self.next_of.setdefault(node, 0)

    async def news(self) -> AsyncIterator[tuple[int, int, ResultIndex]]:
        """Everything that has been committed since the last call: node, number, index."""
        for node in list(self.next_of):
            while (index := await read_index(self.store, self._key(node, self.next_of[node]))) is not None:
                seq = self.next_of[node]
                self.next_of[node] = seq + 1
                yield node, seq, index

    async def everything(self, ledger: Ledger) -> Ledger:
        """`ledger` with all that is committed now, by what its fences say now."""
        ledger.fences = replace(ledger.fences, nodes=await fenced_nodes(self.store, self.at))
        await self.look_for_nodes()
        async for node, seq, index in self.news():
            ledger.absorb(node, seq, index)
        return ledger

    def _key(self, node: int, seq: int) -> str:
        return keys.result(self.at, node, seq)


async def read_index(store: "ObjectStore", key: str) -> ResultIndex | None:
    """The index of one result object, its rows left unread; None when there is no such object (yet)."""
    if is_surely_missing(store, key):
        return None
    try:
        head, size = await with_retries(store, lambda: _head(store, key))
    except FileNotFoundError:
        return None
    end = codec.index_size(head, key)
    if len(head) < end <= size:
        head += await read_range(store, key, len(head), end) or b""
    return codec.decode_index(head, key)


async def _head(store: "ObjectStore", key: str) -> tuple[bytes, int]:
    """The first bytes of the object, and its size."""
    with translated("read", key):
        try:
            answer = await obstore.get_async(store, key, options={"range": (0, codec.FIRST_READ)})
            return bytes(await answer.bytes_async()), answer.meta["size"]
        except BaseError:
            if (await obstore.head_async(store, key))["size"]:
                raise
            return b"", 0  # of nothing no range can be read


async def absorb_sealed(
    store: "ObjectStore",
    at: StepRound,
    objects: Mapping[int, int],
    ledger: Ledger,
    also: Callable[[int, ResultIndex], None] | None = None,
    *,
    fenced: Collection[int] = (),
) -> Ledger:
    """`ledger` with exactly the results that a seal names; `also` is called with each index, too."""
    ledger.fences = replace(ledger.fences, nodes=frozenset(fenced))
    for node, count in objects.items():
        for seq in range(count):
            key = keys.result(at, node, seq)
            index = await read_index(store, key)
            if index is None:
                raise codec.lost_object(key)
            ledger.absorb(node, seq, index)
            if also is not None:
                also(node, index)
    return ledger


async def first_ledger(store: "ObjectStore", at: StepRound, continues: Continued | None, step: ParallelStep) -> Ledger:
    """What a round of a step begins with: nothing, or the successes of the round that it continues."""
    if continues is None:
        ledger = Ledger(checks_items=step.thresholds.checks_items)
        ledger.fences = Fences(max_retries=step.retry_settings.max_retries)
        if at.round > 1:  # done anew: its results are where this round is
            ledger.begin_round(at.round)
        return ledger
    before = at.in_round(continues.round)
    sealed, record = await step_seal(store, before), await read_record(store, before)
    if sealed is None or record is None:
        raise DamagedRecordError(f"{before.root}: step.json or verdict.json is missing; round {at.round} needs both")
    ledger = await first_ledger(store, before, record.continues, step)
    await absorb_sealed(store, before, sealed.objects, ledger, fenced=sealed.fenced)
    summary = await read_summary(store, before.in_round(record.planned_in))
    ledger.plan_total = None if summary is None else summary.mini_batches
    ledger.begin_round(at.round, None if continues.mini_batches is None else frozenset(continues.mini_batches))
    ledger.plan_total = None  # of this round not every message has been sent yet
    return ledger
