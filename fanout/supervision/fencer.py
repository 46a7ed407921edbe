"""Fences nodes that do harm: weighs the evidence, writes the fences, and counts the results again without them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fanout.clock import Clock
from fanout.errors import DamagedRecordError
from fanout.planning.input_presence import missing_file
from fanout.planning.manifests import read_mini_batch
from fanout.records.step import StepRecord
from fanout.results.codec import ResultIndex, lost_object
from fanout.results.fences import Fence, create_fence, fenced_nodes, host_of
from fanout.results.ledger import Ledger
from fanout.results.reader import read_index
from fanout.storage import keys
from fanout.supervision.fence_rules import LEAST, Tallies

if TYPE_CHECKING:
    from obstore.store import ObjectStore


@dataclass(slots=True)
class Fencer:
    """Fences nodes for one supervisor of one step.

    `fresh` makes the ledger that the round begins with; `report` shows a new fence to people.
    """

    record: StepRecord
    store: "ObjectStore"
    clock: Clock
    fresh: Callable[[], Awaitable[Ledger]]
    report: Callable[[Fence], None]
    _tallies: Tallies = field(default_factory=Tallies)
    _fenced: set[int] = field(default_factory=set)

    def absorb(self, node: int, index: ResultIndex) -> None:
        """Takes in what a node has committed, unless the node is fenced."""
        if node not in self._fenced:
            self._tallies.absorb(node, index)

    @property
    def suspects_any(self) -> bool:
        """Whether there is evidence that was not weighed yet."""
        return self._tallies.suspicious

    async def fence(self, *, hinges: bool) -> bool:
        """Fences the nodes that do harm; returns whether there were any. `hinges`: the step is about to end."""
        retries = self.record.step.retry_settings.max_retries > 0
        found = {node: self._reason(node) for node in self._tallies.suspects(retries=retries, hinges=hinges)}
        for node, index in list(self._tallies.lacking()):
            if node not in found and (reason := await self._lacks(node, index)) is not None:
                found[node] = reason
        for node, reason in found.items():
            await self._fence(node, reason)
        return bool(found)

    async def others(self, known: frozenset[int]) -> bool:
        """Returns whether the fenced nodes are others than `known`, because another supervisor has fenced some."""
        return await fenced_nodes(self.store, self.record.at) != known

    async def counted(self, objects: Mapping[int, int]) -> Ledger:
        """Returns a new ledger of the first `objects[node]` result objects of each node, by the fences as they are now.

        DamagedRecordError when one of the objects is not in the store any more.
        """
        at, ledger = self.record.at, await self.fresh()
        ledger.fences = replace(ledger.fences, nodes=await fenced_nodes(self.store, at))
        for node in ledger.fences.nodes:
            self._forget(node)
        for node, count in objects.items():
            for seq in range(count):
                key = keys.result(at, node, seq)
                if (index := await read_index(self.store, key)) is None:
                    raise lost_object(key)
                ledger.absorb(node, seq, index)
        return ledger

    def _reason(self, node: int) -> str:
        known = self._tallies.evidence(node)
        which = f"the last {known.row}" if known.succeeded else f"all {known.row}"
        return f"{which} mini-batches that it tried failed, while {known.others_succeeded} succeeded on other nodes"

    async def _lacks(self, node: int, index: int) -> str | None:
        """Returns why the node is to blame for the data that it lacks; None when it is not, or not yet.

        The node is to blame when the machine of the run, which planned the step, has the data.
        """
        file = await self._missing_here(index)
        if file is not None:
            self._tallies.believe(node)
            return None
        if len(self._tallies.missing(node)) < LEAST:
            return None
        return f"it lacks files of the input that the run's own machine has: {self._tallies.first_failure(node)}"

    async def _missing_here(self, index: int) -> str | None:
        """Returns the first local file of the mini-batch that this machine lacks as well; None when it has all.

        When the mini-batch cannot be read, it returns the error's text instead.
        """
        try:
            batch = await read_mini_batch(self.store, self.record.at.in_round(self.record.planned_in), index)
        except DamagedRecordError as exc:
            return str(exc)  # it is not known
        return missing_file(batch)

    async def _fence(self, node: int, reason: str) -> None:
        at, first = self.record.at, self._tallies.first_failure(node)
        fence = Fence(node, await host_of(self.store, at, node), reason, first, self.clock.now())
        self._forget(node)
        self.report(await create_fence(self.store, at, fence))

    def _forget(self, node: int) -> None:
        self._fenced.add(node)
        self._tallies.forget(node)
