"""All attempts of one round of a step, read from its results; each look adds what is new.

`StepData` keeps columns, outcomes and kinds of failures, which the run's page is made from. It holds no entry as an
object: a million attempts take some 40 MB.
"""

from array import array
from bisect import bisect_right
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fanout.planning.manifests import PlanSummary, read_summary
from fanout.queries.page import outcomes
from fanout.queries.page.columns import Attempts
from fanout.queries.page.failure_kinds import FailureKinds
from fanout.queries.page.outcomes import Outcomes
from fanout.records.seal import Seal, step_seal
from fanout.records.step import StepRecord, read_record
from fanout.records.verdict import Counts
from fanout.reports.failure_groups import StepSource
from fanout.results.codec import ResultIndex
from fanout.results.fences import Fences, fenced_nodes
from fanout.results.ledger import Ledger
from fanout.results.reader import ResultReader, first_ledger, read_index
from fanout.storage import keys
from fanout.storage.keys import StepRound

if TYPE_CHECKING:
    from obstore.store import ObjectStore


@dataclass(slots=True)
class StepData:
    """What is known of a round of a parallel step. `epoch` changes when what was handed out before is void."""

    record: StepRecord
    kinds: FailureKinds
    attempts: Attempts = field(default_factory=Attempts)
    outcomes: Outcomes = field(default_factory=Outcomes)
    ledger: Ledger | None = None  # of a round that goes on from an earlier one
    plan: PlanSummary | None = None
    seal: Seal | None = None
    epoch: int = 0
    items: int = 0
    _next: dict[int, int] = field(default_factory=dict)
    _firsts: "array[int]" = field(default_factory=lambda: array("I"))  # the first attempt of each object
    _objects: list[tuple[int, int]] = field(default_factory=list)  # its node and number

    @property
    def at(self) -> StepRound:
        """Where the round is in the store."""
        return self.record.at

    @property
    def total(self) -> int:
        """Mini-batches as far as they are known."""
        return len(self.outcomes.codes)

    @property
    def codes(self) -> bytes:
        """A byte for each mini-batch: its outcome."""
        codes = self.outcomes.codes
        if self.ledger is not None:
            codes = outcomes.of_ledger(self.ledger, self.total, self.record.chosen)
        return bytes(codes) if self.seal is None else outcomes.ended(codes)

    @property
    def counts(self) -> Counts:
        """Those of the seal, else as the results say now."""
        if self.seal is not None:
            return self.seal.counts
        if self.ledger is not None:
            return self.ledger.counts
        found, retried = self.outcomes, self.attempts.status.tobytes()
        return Counts(
            total=None if self.plan is None else self.plan.mini_batches,
            succeeded=found.count(outcomes.SUCCEEDED, outcomes.PARTLY),
            failed=found.count(outcomes.FAILED, outcomes.SHORT),
            dead_lettered=found.count(outcomes.DEAD),
            canceled=found.count(outcomes.CANCELED),
            retried=retried.count(1) + retried.count(2),
            items=self.items,
            short=found.count(outcomes.SHORT),
        )

    def object_of(self, place: int) -> tuple[int, int, int]:
        """Node, number and position of the attempt at this place: where its result is stored."""
        number = bisect_right(self._firsts, place) - 1
        return (*self._objects[number], place - self._firsts[number])

    async def refresh(self, store: "ObjectStore") -> bool:
        """Takes in what has been committed since the last look; whether there was anything."""
        if self.seal is not None:
            return False
        await self._look_at_fences(store)
        sealed, before = await step_seal(store, self.at), len(self._objects)
        if self.plan is None:
            self.plan = await read_summary(store, self.at.in_round(self.record.planned_in))
            self.outcomes.grow(0 if self.plan is None else self.plan.mini_batches)
            if self.ledger is not None and self.plan is not None:
                self.ledger.plan_total = self.plan.mini_batches
        async for node, seq, index in self._news(store, sealed):
            self._absorb(node, seq, index)
        self.seal = sealed
        return sealed is not None or len(self._objects) > before

    async def _look_at_fences(self, store: "ObjectStore") -> None:
        nodes = await fenced_nodes(store, self.at)
        if nodes != self.outcomes.fences.nodes:
            fences = replace(self.outcomes.fences, nodes=nodes)
            fresh = await open_step(store, self.record, fences)
            for name in ("kinds", "attempts", "outcomes", "ledger", "plan", "_next", "_firsts", "_objects", "items"):
                setattr(self, name, getattr(fresh, name))
            self.epoch += 1

    async def _news(self, store: "ObjectStore", sealed: Seal | None) -> AsyncIterator[tuple[int, int, ResultIndex]]:
        if sealed is None:
            reader = ResultReader(store, self.at, self._next)
            await reader.look_for_nodes()
            async for found in reader.news():
                yield found
            return
        for node, count in sealed.objects.items():
            for seq in range(self._next.get(node, 0), count):
                index = await read_index(store, keys.result(self.at, node, seq))
                if index is not None:
                    yield node, seq, index

    def _absorb(self, node: int, seq: int, index: ResultIndex) -> None:
        entries, first = index.entries, len(self.attempts)
        self._firsts.append(first)
        self._objects.append((node, seq))
        self.attempts.extend(node, entries)
        self.items += sum(entries.columns.items)
        self.outcomes.absorb(node, seq, entries)
        if self.ledger is not None:
            self.ledger.absorb(node, seq, index)
        for position, entry in entries.special.items():
            if entry.part is not None:
                self.kinds.parts[first + position] = entry.part
            if entry.failure is not None:
                self.attempts.kind[first + position] = self.kinds.add(first + position, node, entry, entry.failure)
        for event in index.events:
            self.kinds.add_event(node, event)


async def open_step(store: "ObjectStore", record: StepRecord, fences: Fences | None = None) -> StepData:
    """The round of `record`, nothing of its own results read so far."""
    given = fences or Fences(max_retries=record.step.retry_settings.max_retries)
    ledger = None
    if record.continues is not None:
        ledger = await first_ledger(store, record.at, record.continues, record.step)
        ledger.fences = given
    source = StepSource(record.run, record.step.name, record.code_from)
    return StepData(record, FailureKinds(source), outcomes=Outcomes(fences=given, round=record.round), ledger=ledger)


async def read_step_data(store: "ObjectStore", at: StepRound) -> StepData | None:
    """All attempts of the round so far; None when it has not begun."""
    record = await read_record(store, at)
    if record is None:
        return None
    data = await open_step(store, record)
    await data.refresh(store)
    return data
