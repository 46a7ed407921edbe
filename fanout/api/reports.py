"""Reports of runs: made from a store, and kept beside the run when it has ended."""

from typing import TYPE_CHECKING

from fanout.advice import Commands
from fanout.api import context
from fanout.config.settings import Settings
from fanout.page.report import Report, make_report
from fanout.queries.page.run_reader import RunReader
from fanout.queries.runs import find_run
from fanout.queues.base import QueueService
from fanout.storage import keys
from fanout.storage.objects import put

if TYPE_CHECKING:
    from obstore.store import ObjectStore

MOST_KEPT = 200_000
"""Attempts up to which a report is written by itself when a run ends: it takes less than two seconds then."""


async def report_of(
    store: "ObjectStore", run: str, settings: Settings, commands: Commands, queues: QueueService | None = None
) -> Report:
    """The report of the run as it stands; RunError when there is none of this name."""
    return await make_report(RunReader(store, run, settings, commands, queues))


async def find_report(run: str | None, settings: Settings, commands: Commands) -> tuple[str, Report]:
    """Name and report of the run that `run` means in the store of `settings`, the newest one by default."""
    store = context.open_to_read(settings)
    record = await find_run(store, run)
    async with context.queues_to_look(settings) as queues:
        return record.name, await report_of(store, record.name, settings, commands, queues)


async def keep_report(store: "ObjectStore", run: str, settings: Settings, commands: Commands, attempts: int) -> str:
    """Writes the report of a run that has ended beside it; its URI, "" where it is not wanted or would be too long."""
    if not settings.report or attempts > MOST_KEPT:
        return ""
    made = await report_of(store, run, settings, commands)
    key = keys.report_html(run)
    await put(store, key, made.html)
    return f"{settings.store.rstrip('/')}/{key}"
