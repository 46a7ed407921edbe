"""Names of runs for the completion of a shell: quickly, or none."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fanout.api.where import Where
from fanout.errors import FanoutError

if TYPE_CHECKING:
    from fanout.config.settings import Settings

MOST = 200
PATIENCE = 1.0
"""Seconds that a person waits for a server behind the key Tab."""


def run_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of runs of the store that begin so, the newest first; of one that cannot be reached, none."""
    with suppress(FanoutError, OSError, TimeoutError):
        return [name for name in _names(ctx) if name.startswith(incomplete)][:MOST]
    return []


def _names(ctx: typer.Context) -> list[str]:
    from fanout.api.context import settings_of
    from fanout.files import uris

    settings = settings_of(Path.cwd(), Where(ctx.params.get("store"), profile=ctx.params.get("profile")))
    if uris.is_local(settings.store):
        return list(_of_folder(Path(uris.to_path(settings.store), "runs")))
    return _of_server(settings)


def _of_folder(folder: Path) -> Iterator[str]:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.stat().st_ctime_ns, reverse=True)
    return (entry.name for entry in found)


def _of_server(settings: "Settings") -> list[str]:
    import asyncio

    from fanout.api.context import open_to_read
    from fanout.storage import keys
    from fanout.storage.objects import list_names

    async def listed() -> list[str]:
        return await asyncio.wait_for(list_names(open_to_read(settings), keys.RUNS), PATIENCE)

    return asyncio.run(listed())
