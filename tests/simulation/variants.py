"""fanout broken on purpose, one rule at a time: what the simulation has to find.

Each variant replaces a method of the real code for as long as it lasts; the product itself knows nothing of it.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from fanout.errors import QueueError
from fanout.node.dispatch import agent
from fanout.node.dispatch.committer import Committer, Finished
from fanout.node.dispatch.retry_policy import Decision, retry_decision
from fanout.pipeline.model import Thresholds
from fanout.records import seal
from fanout.results.codec import Entry, Failure, Status
from fanout.results.fences import Fences
from fanout.results.ledger import Ledger
from fanout.results.winners import ResultObject, Winner
from fanout.scheduler import parallel_stages, parallel_step
from fanout.scheduler.parallel_stages import StepSender
from fanout.security.signature import Signer
from fanout.slot.child.output_staging import OutputFolders
from fanout.storage.objects import put
from fanout.supervision import dead_letters
from fanout.supervision.dead_letters import DeadLetters
from tests.simulation.scenario import (
    Blow,
    Scenario,
    Strike,
    UserCode,
    with_blind_node,
    with_hostile_sender,
)


def delete_before_durable() -> AbstractContextManager[Any]:
    """The committer settles a group, and then writes it."""
    commit = Committer._commit

    async def settle_first(self: Committer, group: Any) -> None:
        await self._acknowledge(group.finished)
        await commit(self, group)

    return patch.object(Committer, "_commit", settle_first)


def lost_is_deleted() -> AbstractContextManager[Any]:
    """A failed attempt on a delivery that ran out is not sent again, but its message is deleted."""

    async def settle(self: Committer, group: Sequence[Finished]) -> None:
        with contextlib.suppress(QueueError):
            await self._send_retries([f for f in group if f.retry_after is not None and not f.lease.lost])
            await self._queues.main.delete([f.lease.delivery for f in group])
        self._leases.forget(f.lease for f in group)

    return patch.object(Committer, "_acknowledge", settle)


def delete_before_retry() -> AbstractContextManager[Any]:
    """The old message is deleted before the one of the next attempt is sent."""

    async def settle(self: Committer, group: Sequence[Finished]) -> None:
        with contextlib.suppress(QueueError):
            await self._queues.main.delete([f.lease.delivery for f in group])
            await self._send_retries([f for f in group if f.retry_after is not None])
        self._leases.forget(f.lease for f in group)

    return patch.object(Committer, "_acknowledge", settle)


@contextmanager
def no_dedup() -> Iterator[None]:
    """Every success gives its rows, however many there are of one mini-batch."""
    absorb, every = Ledger._absorb, dict[int, list[Winner]]()

    def keep(self: Ledger, number: int, position: int, entry: Entry) -> None:
        absorb(self, number, position, entry)
        if entry.status is Status.SUCCEEDED:
            found: ResultObject = self._objects[number]
            start = found.rows_at + entry.start
            winner = Winner(entry.index, found, start, entry.length, entry.crc, entry.header)
            every.setdefault(id(self), []).append(winner)

    def winners(self: Ledger) -> Iterator[Winner]:
        yield from sorted(every.get(id(self), ()), key=lambda winner: winner.index)

    one_by_one = patch.object(Ledger, "_are_open", lambda *_: False)
    with one_by_one, patch.object(Ledger, "_absorb", keep), patch.object(Ledger, "winners", winners):
        yield


def last_wins() -> AbstractContextManager[Any]:
    """Of several results of a mini-batch the one read last counts, whichever that is."""
    return patch.object(Ledger, "_counts_more", lambda *_: True)


def no_seal() -> AbstractContextManager[Any]:
    """Whoever comes later seals again."""

    async def overwrite(store: Any, key: str, body: bytes) -> bool:
        await put(store, key, body)
        return True

    return patch.object(seal, "create", overwrite)


def unsealed_results() -> AbstractContextManager[Any]:
    """A reader of a sealed step takes whatever results there are by now."""
    absorb = parallel_stages.absorb_sealed

    async def absorb_all(store: Any, at: Any, objects: Mapping[int, int], *rest: Any, **fenced: Any) -> Ledger:
        more = {node: count + 1 for node, count in objects.items()}
        try:
            return await absorb(store, at, more, *rest, **fenced)
        except Exception:  # noqa: BLE001 - there were no more
            ledger: Ledger = rest[0]
            return ledger

    return patch.object(parallel_stages, "absorb_sealed", absorb_all)


def failed_files_stay() -> AbstractContextManager[Any]:
    """What a failed attempt has written is still there when the next one succeeds."""
    return patch.object(OutputFolders, "discard", lambda _: None)


def no_resend() -> AbstractContextManager[Any]:
    """Messages that were lost are waited for."""

    async def nothing(*_: Any) -> None:
        return

    return patch.object(StepSender, "resend", nothing)


def endless_retries() -> AbstractContextManager[Any]:
    """Nobody counts the attempts."""

    def always(failure: Failure | None, attempt: int, _: int, *rest: Any) -> Decision:
        return retry_decision(failure, attempt, attempt + 1 if attempt < 6 else 0, *rest)

    return patch.object(agent, "retry_decision", always)


def dead_letters_forgotten() -> AbstractContextManager[Any]:
    """Dead letters are deleted before they are recorded."""

    async def drain(self: DeadLetters, *_: Any) -> int:
        deliveries = await self._queue.receive(dead_letters.LETTERS_AT_ONCE, 0)
        await self._queue.delete(deliveries)
        return len(deliveries)

    return patch.object(DeadLetters, "drain", drain)


def queues_left() -> AbstractContextManager[Any]:
    """Nobody removes the queues."""

    async def nothing(*_: Any) -> None:
        return

    patches = ExitStack()
    for module in (parallel_step, parallel_stages):
        patches.enter_context(patch.object(module, "remove_queues", nothing))
    return patches


def seals_too_little() -> AbstractContextManager[Any]:
    """The last object of each node is counted, and not sealed."""
    sealed = Ledger.sealed

    def one_less(self: Ledger) -> dict[int, int]:
        return {node: max(1, count - 1) for node, count in sealed(self).items()}

    return patch.object(Ledger, "sealed", one_less)


def fenced_counts() -> AbstractContextManager[Any]:
    """What failed on a fenced node counts as if user code had failed."""
    return patch.object(Fences, "counted", lambda _self, _node, entry: entry)


def signatures_unchecked() -> AbstractContextManager[Any]:
    """Whatever is in a queue is taken for a message of the run."""
    return patch.object(Signer, "check", lambda _self, _body: None)


def _as_drawn(scenario: Scenario) -> Scenario:
    return scenario


def _paused(scenario: Scenario) -> Scenario:
    """One node, stopped for longer than the visibility again and again, with attempts that fail."""
    user = UserCode(scenario.seed, flaky=0.5, seconds=0.3)
    strikes = tuple(Strike(1.0 + 2.0 * number, Blow.STOP_NODE, 0.9) for number in range(6))
    scenario = replace(scenario, user=user, isolate=False, troubled_until=15.0, strikes=strikes)
    return replace(scenario, nodes=1, files=30, visibility=1.0)


def _doubled(scenario: Scenario) -> Scenario:
    """Many messages come twice, and no two executions return the same."""
    rates = replace(scenario.rates, doubled=0.3)
    user = UserCode(scenario.seed, differs=True)
    return replace(scenario, user=user, isolate=False, rates=rates, troubled_until=10.0, output="rows.txt")


def _files(scenario: Scenario) -> Scenario:
    """Attempts that fail after they have written files."""
    user = UserCode(scenario.seed, flaky=0.5, writes_files=True)
    return replace(scenario, user=user, isolate=False, max_retries=2, thresholds=Thresholds())


def _vanishing(scenario: Scenario) -> Scenario:
    """Nodes that vanish, and a queue that soon gives up."""
    strikes = tuple(Strike(0.5 + number, Blow.KILL_NODE, number / 8) for number in range(8))
    user = UserCode(scenario.seed, seconds=0.3)
    scenario = replace(scenario, user=user, isolate=False, troubled_until=10.0, strikes=strikes)
    return replace(scenario, files=30, max_receives=1)


@dataclass(frozen=True, slots=True)
class Variant:
    """What is broken, and in which worlds that matters most."""

    broken: Callable[[], AbstractContextManager[Any]]
    where: Callable[[Scenario], Scenario] = _as_drawn


VARIANTS: Mapping[str, Variant] = {
    "delete-before-durable": Variant(delete_before_durable),
    "delete-before-retry": Variant(delete_before_retry),
    "lost-is-deleted": Variant(lost_is_deleted, _paused),
    "no-dedup": Variant(no_dedup),
    "last-wins": Variant(last_wins, _doubled),
    "no-seal": Variant(no_seal),
    "unsealed-results": Variant(unsealed_results, _doubled),
    "failed-files-stay": Variant(failed_files_stay, _files),
    "no-resend": Variant(no_resend),
    "endless-retries": Variant(endless_retries),
    "dead-letters-forgotten": Variant(dead_letters_forgotten, _vanishing),
    "queues-left": Variant(queues_left),
    "fenced-counts": Variant(fenced_counts, with_blind_node),
    "signatures-unchecked": Variant(signatures_unchecked, with_hostile_sender),
    "seals-too-little": Variant(seals_too_little),
}


@contextmanager
def varied(name: str | None, scenario: Scenario) -> Iterator[Scenario]:
    """The world with this variant of the product in it; as it was drawn without a name."""
    if name is None:
        yield scenario
        return
    with VARIANTS[name].broken():
        yield VARIANTS[name].where(scenario)
