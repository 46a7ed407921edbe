"""Compares messages with the plan, in runs that were begun before messages were signed.

A sender without any key could write such a message. So only what the plan holds is taken from it: the mini-batch's line
as it stands in its manifest, a part that it has, and a try that a retry could have led to.
"""

from functools import cached_property

from obstore.store import ObjectStore

from fanout.errors import ForgedMessageError
from fanout.planning.manifests import SHARD_SIZE, Shard, find_shard
from fanout.records import mini_batch
from fanout.records.messages import Message, Pointer
from fanout.records.step import StepRecord
from fanout.storage import keys

SHARDS_KEPT = 4


class PlanCheck:
    """The plan of one step; keeps the manifests that were read last."""

    def __init__(self, record: StepRecord, store: ObjectStore) -> None:
        self._record, self._store = record, store
        self._shards: dict[int, Shard] = {}

    @cached_property
    def _planned(self) -> keys.StepRound:
        return self._record.at.in_round(self._record.planned_in)

    async def check(self, message: Message) -> None:
        """ForgedMessageError when the plan has no such mini-batch, part or try; StoreError when it cannot be read."""
        number, place = divmod(message.index, SHARD_SIZE)
        shard = await self._shard(number)
        if shard is None or place >= len(shard.lines):
            raise ForgedMessageError(f"mini-batch {message.index}: is not in the plan")
        line = shard.lines[place]
        if message.line is not None and message.line != line:
            raise ForgedMessageError(f"mini-batch {message.index}: is not what was planned")
        if message.pointer is not None and message.pointer != self._pointer(shard, place):
            raise ForgedMessageError(f"mini-batch {message.index}: its place in the plan is another one")
        self._check_try(message, line)

    def _check_try(self, message: Message, line: str) -> None:
        most = self._record.step.retry_settings.max_retries
        if message.attempt > most:
            raise ForgedMessageError(f"mini-batch {message.index}: try {message.attempt + 1} of {most + 1}")
        if message.part is None:
            return
        batch = mini_batch.decode(line, keys.manifest(self._planned, message.index // SHARD_SIZE))
        items = len(batch.files) or batch.items
        is_split = self._record.step.isolate_failures
        if not is_split or (items is not None and message.part.stop > items):
            raise ForgedMessageError(f"mini-batch {message.index}: has no {message.part}")

    async def _shard(self, number: int) -> Shard | None:
        if (known := self._shards.get(number)) is not None:
            return known
        found = await find_shard(self._store, self._planned, number)
        if found is not None:
            while len(self._shards) >= SHARDS_KEPT:
                del self._shards[next(iter(self._shards))]
            self._shards[number] = found
        return found

    def _pointer(self, shard: Shard, place: int) -> Pointer:
        start = sum(len(line) + 1 for line in shard.lines[:place])
        return Pointer.to(keys.manifest(self._planned, shard.number), start, shard.lines[place])


def plan_check(record: StepRecord, store: ObjectStore) -> PlanCheck | None:
    """What messages of the step are compared with; None where they are signed."""
    return None if record.message_key else PlanCheck(record, store)
