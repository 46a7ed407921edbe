"""A run that is looked at again and again: what was read of its steps is kept, and each look adds what is new."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fanout.advice import Commands
from fanout.config.settings import Settings
from fanout.pipeline.model import ParallelStep
from fanout.queries.page.run_page import RunPage, read_run_page
from fanout.queries.page.step_data import StepData, read_step_data
from fanout.queues.base import QueueService
from fanout.records.run import RunRecord, load_record
from fanout.records.seal import Seal, read_seal
from fanout.storage import keys

if TYPE_CHECKING:
    from obstore.store import ObjectStore


@dataclass(slots=True)
class RunReader:
    """One run in one store, in its last round, or in `round`."""

    store: "ObjectStore"
    name: str
    settings: Settings
    commands: Commands
    queues: QueueService | None = None
    round: int | None = None
    record: RunRecord | None = None
    seal: Seal | None = None
    data: dict[str, StepData] = field(default_factory=dict)

    async def refresh(self) -> bool:
        """Looks for what is new; whether it found any. RunError when there is no such run."""
        news = False
        record = await load_record(self.store, self.name, self.round)
        if self.record is None or record.round != self.record.round:
            self.data, self.seal, news = {}, None, True
        self.record = record
        for step in record.pipeline.steps:
            if isinstance(step, ParallelStep):
                news |= await self._refresh_step(step.name, record)
        if self.seal is None:
            self.seal = await read_seal(self.store, keys.run_verdict(record.name, record.round))
            news |= self.seal is not None
        return news

    async def page(self) -> RunPage:
        """The run as the last look found it; nodes and queues as they are now."""
        if self.record is None:
            await self.refresh()
        assert self.record is not None  # noqa: S101 - refresh has set it, or raised
        return await read_run_page(self.store, self.record, self.settings, self.data, self.commands, self.queues)

    async def _refresh_step(self, name: str, record: RunRecord) -> bool:
        if name in self.data:
            return await self.data[name].refresh(self.store)
        found = await read_step_data(self.store, record.at(name))
        if found is None:
            return False
        self.data[name] = found
        return True
