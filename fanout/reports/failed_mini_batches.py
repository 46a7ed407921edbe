"""Everything that failed in a step, read from its results: all failed mini-batches, however many there are.

The indexes of the results are read one after the other. Of a failed attempt its message is kept, 0.3 kB in all; its
traceback is read again for the first of each kind.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING

from fanout.errors import DamagedRecordError
from fanout.planning.index_ranges import spans
from fanout.planning.manifests import PlanSummary, read_summary
from fanout.records.function_runs import FUNCTION_SCRIPT
from fanout.records.parts import ItemRange
from fanout.records.seal import Seal, step_seal
from fanout.records.step import StepRecord, read_record
from fanout.records.verdict import Counts
from fanout.reports.failing_nodes import FailingNodes, failing_nodes
from fanout.reports.failure_groups import (
    FailureGroup,
    Kind,
    Occurrence,
    StepSource,
    group,
    group_of,
    kind_of,
    occurrences,
)
from fanout.results.codec import Cause, Entry, Event, Failure, ResultIndex, Status
from fanout.results.fences import fenced_nodes
from fanout.results.ledger import Ledger
from fanout.results.reader import ResultReader, first_ledger, read_index
from fanout.storage import keys
from fanout.storage.keys import StepRound

if TYPE_CHECKING:
    from obstore.store import ObjectStore


class Fate(StrEnum):
    """What has become of a mini-batch one of whose attempts has failed."""

    FAILED = "failed"  # on its last try
    SHORT = "short"  # its last try returned fewer elements than there are items; what it returned is in the output
    DEAD_LETTERED = "dead_lettered"  # the nodes that received it vanished
    UNFINISHED = "unfinished"  # to be tried again, or the step was over before
    PARTLY_FAILED = "partly_failed"  # items of it failed, each on its last try; the others succeeded
    SUCCEEDED = "succeeded"  # on a later try


_FATES = {
    Status.SUCCEEDED: Fate.SUCCEEDED,
    Status.FAILED: Fate.FAILED,
    Status.SHORT: Fate.SHORT,
    Status.DEAD_LETTERED: Fate.DEAD_LETTERED,
    None: Fate.UNFINISHED,
}


@dataclass(frozen=True, slots=True)
class FailedTry:
    """One failed attempt, and where it stands in the results. `kind` is the same for those that are alike."""

    index: int
    attempt: int
    status: Status
    node: int
    process: str
    started: float
    seconds: float
    cause: Cause
    message: str
    kind: int
    round: int
    seq: int
    position: int
    part: ItemRange | None = None

    @property
    def order(self) -> tuple[int, float, int, int, int, int]:
        """Places the tries of one mini-batch: those of the whole, then those of ever smaller parts."""
        items, start = (inf, 0) if self.part is None else (self.part.items, self.part.start)
        return self.round, -items, start, self.attempt, self.node, self.seq


@dataclass(frozen=True, slots=True)
class FailedMiniBatch:
    """A mini-batch that failed at least once; its failed tries in their order."""

    index: int
    fate: Fate
    tries: tuple[FailedTry, ...]
    failed_parts: tuple[ItemRange, ...] = ()  # where the others have succeeded


@dataclass(frozen=True, slots=True)
class KindOfFailure:
    """Failures that are alike; `number` is what their tries call it, None for trouble of nodes."""

    number: int | None
    group: FailureGroup


@dataclass(frozen=True, slots=True)
class FailuresOfStep:
    """All that failed in a step. `unfinished` are those without an outcome, failed before or not: first and last."""

    at: StepRound
    planned: StepRound
    plan: PlanSummary | None
    source: StepSource
    seal: Seal | None
    counts: Counts
    kinds: tuple[KindOfFailure, ...]
    mini_batches: tuple[FailedMiniBatch, ...]
    events: tuple[tuple[int, Event], ...]
    unfinished: tuple[tuple[int, int], ...]
    nodes: FailingNodes = field(default_factory=FailingNodes)
    has_code_folder: bool = True  # that new code could be taken from


async def read_failures(store: "ObjectStore", at: StepRound, *, all_attempts: bool = False) -> FailuresOfStep | None:
    """What failed in a parallel step so far; None when it has not begun.

    Mini-batches that succeeded on a later try are left out unless `all_attempts` are wanted.
    """
    record = await read_record(store, at)
    if record is None:
        return None
    source, sealed = StepSource(at.run, at.step, record.code_from), await step_seal(store, at)
    gathered = _Collected(source)
    planned = at.in_round(record.planned_in)
    plan = await read_summary(store, planned)
    ledger = await _read(store, record, plan, sealed, gathered)
    found = tuple(gathered.mini_batches(ledger, all_attempts=all_attempts))
    return FailuresOfStep(
        at=at,
        planned=planned,
        plan=plan,
        source=source,
        seal=sealed,
        counts=ledger.counts if sealed is None else sealed.counts,
        kinds=tuple(await _kinds(store, at, found, ledger.events, source)),
        mini_batches=found,
        events=tuple((node, event) for node, event in ledger.events if event.failure is not None),
        unfinished=tuple(spans(i for i in range(ledger.plan_total or 0) if ledger.outcome(i) is None)),
        has_code_folder=record.code_from is not None and record.step.task.entry_script != FUNCTION_SCRIPT,
        nodes=await failing_nodes(store, at, ledger.failed_on, len(ledger.sealed())),
    )


async def _read(
    store: "ObjectStore", record: StepRecord, plan: PlanSummary | None, sealed: Seal | None, gathered: "_Collected"
) -> Ledger:
    """The ledger of the step's last round; the failed tries of it and of the rounds that it goes on from."""
    at = record.at
    earlier, before = record.continues, at
    while earlier is not None:
        before = before.in_round(earlier.round)
        former, seal_of_former = await read_record(store, before), await step_seal(store, before)
        if former is None or seal_of_former is None:
            raise DamagedRecordError(f"{before.root}: step.json or verdict.json is missing; a later round needs both")
        async for node, seq, index in _indexes(store, before, seal_of_former):
            gathered.add(before.round, node, seq, index)
        earlier = former.continues
    ledger = await first_ledger(store, at, record.continues, record.step)
    nodes = await fenced_nodes(store, at) if sealed is None else frozenset(sealed.fenced)
    ledger.fences = replace(ledger.fences, nodes=nodes)
    ledger.plan_total = None if plan is None else plan.mini_batches
    async for node, seq, index in _indexes(store, at, sealed):
        ledger.absorb(node, seq, index)
        gathered.add(at.round, node, seq, index)
    return ledger


async def _indexes(
    store: "ObjectStore", at: StepRound, sealed: Seal | None
) -> AsyncIterator[tuple[int, int, ResultIndex]]:
    """The results that the seal names; without one, those that there are."""
    if sealed is None:
        reader = ResultReader(store, at)
        await reader.look_for_nodes()
        async for found in reader.news():
            yield found
        return
    for node, count in sealed.objects.items():
        for seq in range(count):
            yield node, seq, await _index(store, at, node, seq)


async def _index(store: "ObjectStore", at: StepRound, node: int, seq: int) -> ResultIndex:
    key = keys.result(at, node, seq)
    index = await read_index(store, key)
    if index is None:
        raise DamagedRecordError(f"{key}: counted, but not in the store any more")
    return index


@dataclass(slots=True)
class _Collected:
    """The failed tries so far."""

    source: StepSource
    _kinds: dict[Kind, int] = field(default_factory=dict)
    _tries: dict[int, list[FailedTry]] = field(default_factory=dict)

    def add(self, round_: int, node: int, seq: int, index: ResultIndex) -> None:
        for position, entry in index.entries.special.items():
            if entry.failure is not None:
                found = self._try(entry, round_, node, seq, position)
                self._tries.setdefault(entry.index, []).append(found)

    def mini_batches(self, ledger: Ledger, *, all_attempts: bool) -> Iterator[FailedMiniBatch]:
        for index in sorted(self._tries):
            fate, parts = _FATES[ledger.outcome(index)], ledger.failed_parts(index)
            if fate is Fate.SUCCEEDED and parts:
                fate = Fate.PARTLY_FAILED
            if all_attempts or fate is not Fate.SUCCEEDED:
                tries = tuple(sorted(self._tries[index], key=lambda t: t.order))
                yield FailedMiniBatch(index, fate, tries, parts if fate is Fate.PARTLY_FAILED else ())

    def _try(self, entry: Entry, round_: int, node: int, seq: int, position: int) -> FailedTry:
        assert entry.failure is not None  # noqa: S101 - the caller has looked
        return FailedTry(
            index=entry.index,
            attempt=entry.attempt,
            status=entry.status,
            node=node,
            process=entry.process,
            started=entry.started,
            seconds=entry.load_seconds + entry.run_seconds,
            cause=entry.failure.cause,
            message=entry.failure.message,
            kind=self._kinds.setdefault(kind_of(entry.failure, self.source), len(self._kinds)),
            round=round_,
            seq=seq,
            position=position,
            part=entry.part,
        )


async def _kinds(
    store: "ObjectStore",
    at: StepRound,
    found: Sequence[FailedMiniBatch],
    events: Sequence[tuple[int, Event]],
    source: StepSource,
) -> list[KindOfFailure]:
    by_kind: dict[int, list[FailedTry]] = {}
    for batch in found:
        for one in batch.tries:
            by_kind.setdefault(one.kind, []).append(one)
    kinds = [KindOfFailure(None, of_nodes) for of_nodes in group(occurrences((), events), source)]
    kinds += [KindOfFailure(number, await _group(store, at, alike)) for number, alike in by_kind.items()]
    return sorted(kinds, key=lambda kind: kind.group.rank())


async def _group(store: "ObjectStore", at: StepRound, alike: Sequence[FailedTry]) -> FailureGroup:
    """With the traceback of its first failure, read again."""
    same = [_occurrence(one) for one in alike]
    made = group_of(same)
    first = alike[same.index(made.first)]
    entry = (await _index(store, at.in_round(first.round), first.node, first.seq)).entries[first.position]
    if entry.failure is None:
        return made
    return replace(made, first=replace(made.first, failure=entry.failure))


def _occurrence(one: FailedTry) -> Occurrence:
    failure = Failure(one.cause, one.message)
    return Occurrence(failure, one.node, one.process, one.index, one.attempt, final=one.status.is_final, part=one.part)
