"""A watched folder: what is in it and what comes, as events in the inbox.

A look at the whole folder comes first, and again every minute: so files that came while no watch ran, or that the
system did not tell of, are found too. What has a run already starts none.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fanout.errors import EventError, FanoutError, MissingExtraError, SettingsError
from fanout.files import uris
from fanout.queues.base import Queue
from fanout.triggers.compiled import CompiledTrigger
from fanout.triggers.event import ObjectEvent, to_body
from fanout.triggers.objects import file_version, regular_file
from fanout.triggers.records import TriggerRecords
from fanout.triggers.sources.debounce import Debounce

if TYPE_CHECKING:
    import asyncio

    from fanout.clock import Clock

LOOK_EVERY = 60.0
AFTER_TROUBLE = 5.0
TICK = 250
"""Milliseconds between two looks at files that are being written."""


@dataclass(slots=True)
class FolderFeeder:
    """Puts an event into the inbox for each version of a file that belongs to the trigger."""

    compiled: CompiledTrigger
    records: TriggerRecords
    inbox: Queue
    clock: "Clock"
    on_trouble: Callable[[str], None]
    _settling: Debounce = field(default_factory=Debounce)
    _runs: set[str] = field(default_factory=set)  # that are known to have been started
    _links: set[str] = field(default_factory=set)  # that were reported

    async def work(self, stopping: "asyncio.Event") -> None:
        """Until `stopping`; SettingsError when there is no such folder, MissingExtraError without watchfiles."""
        folder = check_folder(self.compiled.trigger.root)
        looked = -LOOK_EVERY
        async for changed in _changes(folder, stopping):
            now = self.clock.monotonic()
            names = {*changed, *self._settling.waiting}
            if now - looked >= LOOK_EVERY:
                names.update(files_below(folder))
                looked = now
            await self._send_event([event for name in sorted(names) if (event := self._settled(folder, name, now))])

    def _settled(self, folder: Path, name: str, now: float) -> ObjectEvent | None:
        """The event of a file that is complete and was not reported in this version."""
        if is_hidden(name):
            return None
        found = regular_file(folder, name)
        if found is None:
            self._settling.look(name, None, now)
            self._report_link(folder, name)
            return None
        version = file_version(found)
        if not self._settling.look(name, version, now):
            return None
        try:
            event = ObjectEvent(
                self.compiled.trigger.root, name, etag=version, size=found.st_size, time=max(0.0, found.st_mtime)
            )
        except EventError as exc:
            self.on_trouble(str(exc))
            return None
        return None if self.compiled.ignores(event) else event

    def _report_link(self, folder: Path, name: str) -> None:
        trigger = self.compiled.trigger
        if not name.startswith(trigger.prefix) or not name.endswith(trigger.suffix):
            return
        if name not in self._links and (folder / name).exists() and not (folder / name).is_dir():
            self._links.add(name)
            self.on_trouble(f"{name} is a link, below one, or no regular file: it starts no run; copy the file instead")

    async def _is_new(self, run: str | None) -> bool:
        """Whether no run was started for this version of the file."""
        if run is None:
            return True
        if run not in self._runs and await self.records.is_forgotten(run):
            return True
        self._runs.add(run)
        return False

    async def _send_event(self, events: Sequence[ObjectEvent]) -> None:
        if not events:
            return
        try:
            runs = await self.records.runs_of(events)
            new = [event for event, run in zip(events, runs, strict=True) if await self._is_new(run)]
            await self.inbox.send([to_body([event]) for event in new])
        except FanoutError as exc:
            self.on_trouble(f"what has arrived cannot be noted, and is looked at again: {exc}")
            for event in events:
                self._settling.forget(event.key)
            await self.clock.sleep(AFTER_TROUBLE)


def check_folder(root: str) -> Path:
    """The folder behind the URI; SettingsError when it is not there."""
    folder = Path(uris.to_path(root))
    if not folder.is_dir():
        raise SettingsError(f"trigger.folder: {folder} is no folder; make it first")
    return folder


def is_hidden(name: str) -> bool:
    """Whether a file is, or lies in, what begins with a dot: files in the making, and fanout's own store."""
    return any(part.startswith(".") for part in name.split("/"))


def files_below(folder: Path) -> Iterator[str]:
    """The files below a folder that are not hidden, relative to it; links to folders are not followed."""
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            yield os.path.relpath(f"{here}/{name}", folder)


async def _changes(folder: Path, stopping: "asyncio.Event") -> AsyncIterator[list[str]]:
    """What has changed, relative to the folder, a few times a second; [] when nothing has."""
    try:
        from watchfiles import awatch
    except ImportError:
        raise MissingExtraError("Watching a folder", "watch") from None
    async for changes in awatch(
        folder, watch_filter=None, stop_event=stopping, rust_timeout=TICK, yield_on_timeout=True, step=50, debounce=TICK
    ):
        yield [os.path.relpath(path, folder) for _, path in changes]
