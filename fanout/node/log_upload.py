"""Logs of a node that is far from its store: taken there now and then, so that they outlive a node that is killed."""

import asyncio
import contextlib
import logging
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from obstore.store import ObjectStore

from fanout.clock import Clock
from fanout.errors import StoreError
from fanout.files.local_folder import files_below
from fanout.files.transfer import upload_file
from fanout.security.masking import GrowingFiles, mask_file
from fanout.tasks import beside, every

log = logging.getLogger(__name__)

KEEP_EVERY = 20.0
"""Seconds between two looks: as much of its logs a killed node loses."""
MASK_EVERY = 1.0
"""Seconds between two looks at logs that are in their place already."""
SMALL = 1024 * 1024
GROWTH = 1.5
WINDOW = 64 * 1024


def worth_keeping(size: int, kept: int) -> bool:
    """Whether a log of `size` bytes is taken to the store, where `kept` bytes of it are.

    A long one is when it has grown by half, so that all its copies together are no more than three times as long.
    """
    return size != kept and (size <= SMALL or size >= GROWTH * kept)


@dataclass(slots=True)
class LogKeeper:
    """Copies of the logs below `logs`, without secrets, at `prefix` in the store; `spare` is a folder to work in."""

    logs: Path
    spare: Path
    store: ObjectStore
    prefix: str
    secrets: Sequence[str]
    every: ClassVar[float] = KEEP_EVERY
    _kept: dict[str, int] = field(default_factory=dict)

    async def keep(self) -> None:
        """What is worth it is in the store; trouble is a warning, and made good the next time."""
        for name in files_below(self.logs) if self.logs.is_dir() else ():
            try:
                size = (self.logs / name).stat().st_size
                if name.isprintable() and worth_keeping(size, self._kept.get(name, 0)):
                    await self._keep(name)
                    self._kept[name] = size
            except (StoreError, OSError) as exc:
                log.warning("a log of this node could not be kept so far: %s", exc)

    async def _keep(self, name: str) -> None:
        copy = self.spare / "log"
        await asyncio.to_thread(self._copy, name, copy)
        await upload_file(copy, self.store, self.prefix + name)

    def _copy(self, name: str, copy: Path) -> None:
        self.spare.mkdir(exist_ok=True)
        shutil.copyfile(self.logs / name, copy)
        _cut_after_last_line(copy)  # half a credential would not be recognised
        mask_file(copy, self.secrets)


def _cut_after_last_line(path: Path) -> None:
    with path.open("r+b") as file:
        at = file.seek(0, os.SEEK_END)
        while at > 0:
            start = max(0, at - WINDOW)
            file.seek(start)
            if (found := file.read(at - start).rfind(b"\n")) >= 0:
                file.truncate(start + found + 1)
                return
            at = start
        file.truncate(0)


@dataclass(slots=True)
class LogMasker:
    """Masks what this node's scripts print into a store of this machine, where it is in its place at once.

    So a node that is killed leaves no more unmasked than it printed in the last second.
    """

    files: GrowingFiles
    every: ClassVar[float] = MASK_EVERY

    async def keep(self) -> None:
        """What has been printed until now is masked."""
        await asyncio.to_thread(self.files.mask)


@contextlib.asynccontextmanager
async def kept_now_and_then(keeper: LogKeeper | LogMasker | None, clock: Clock) -> AsyncIterator[None]:
    """Keeps logs while the context lasts; None: there is nothing to do."""
    if keeper is None:
        yield
        return

    async with beside(every(keeper.every, keeper.keep, clock), "keeping logs"):
        yield
