"""Takes snapshots of a pipeline's code folders into the store, and finds what has changed in the folders since."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

from fanout.code_snapshots import archive as code
from fanout.code_snapshots.archive import Snapshot
from fanout.code_snapshots.selection import Places
from fanout.code_snapshots.uses import note_use
from fanout.config.settings import Settings, resolve_datastore
from fanout.errors import InputError, StoreError
from fanout.pipeline.data.locations import local_path
from fanout.pipeline.model import DataInput, ParallelStep, Pipeline, Step
from fanout.pipeline.trigger import KEY_TOKEN, RUN_TOKEN
from fanout.scheduler.context import RunContext
from fanout.storage import keys
from fanout.storage.objects import create, read


def code_folder(step: Step) -> str | None:
    """Returns the folder that the step's code comes from; None when it has none."""
    return step.task.code if isinstance(step, ParallelStep) else step.code


async def take_snapshots(pipeline: Pipeline, context: RunContext, only: str | None = None) -> dict[str, Snapshot]:
    """Takes a snapshot of the code of each step that has any, as it is now; with `only`, of that step alone.

    Returns the snapshots by step. InputError when a folder cannot be read.
    """
    taken: dict[str, Snapshot] = {}
    by_folder: dict[str, Snapshot] = {}
    for step in pipeline.steps:
        folder = code_folder(step)
        if folder is None or only not in (None, step.name):
            continue
        if folder not in by_folder:
            _check_there(step.name, folder, pipeline)
            places = places_of(pipeline, context.settings)
            by_folder[folder] = await asyncio.to_thread(code.snapshot, Path(folder), places)
        taken[step.name] = by_folder[folder]
    return taken


def is_kept_in_run(folder: str, pipeline: Pipeline) -> bool:
    """Returns whether the code was made from a function, so that there is no folder that could have changed."""
    return not pipeline.file and not Path(folder).is_dir()


def _check_there(step: str, folder: str, pipeline: Pipeline) -> None:
    if is_kept_in_run(folder, pipeline):
        raise InputError(
            f"{step}: the run was begun with a function, and only the run has its code: begin a new run with the "
            "function as it is now, or redrive without new code, which runs the function as it was"
        )


def notices_of(pipeline: Pipeline, taken: Mapping[str, Snapshot]) -> list[str]:
    """Returns the notices about the snapshots, once for each folder."""
    folders = code_by_folder(pipeline, taken).items()
    return [text for folder, steps in folders for text in code.notices(Path(folder), taken[steps[0]])]


def code_by_folder(pipeline: Pipeline, taken: Mapping[str, Snapshot]) -> dict[str, list[str]]:
    """Returns the names of the steps whose code was taken, by code folder."""
    found: dict[str, list[str]] = {}
    for step in pipeline.steps:
        if step.name in taken and (folder := code_folder(step)) is not None:
            found.setdefault(folder, []).append(step.name)
    return found


def places_of(pipeline: Pipeline, settings: Settings) -> Places:
    """Returns what may lie in a code folder without being code: the store, and the pipeline's inputs and outputs."""
    inputs = [given.uri for step in pipeline.steps for given in step.inputs.values() if isinstance(given, DataInput)]
    outputs = [output.uri for step in pipeline.steps for output in step.outputs.values() if output.uri is not None]
    scripts = [
        Path(step.task.code, step.task.entry_script)
        for step in pipeline.steps
        if isinstance(step, ParallelStep) and step.task.code is not None
    ]
    return Places(
        store=local_path(settings.store),
        inputs=tuple(path for uri in inputs if (path := local_path(resolve_datastore(uri, settings)))),
        outputs=tuple(map(_pattern, filter(None, (local_path(resolve_datastore(uri, settings)) for uri in outputs)))),
        scripts=tuple(scripts),
    )


def _pattern(path: Path) -> re.Pattern[str]:
    """Returns a pattern that matches the places of an output in all runs."""
    anything = re.escape(str(path)).replace(RUN_TOKEN, "[^/]+").replace(KEY_TOKEN, ".+")
    return re.compile(anything, re.DOTALL)


async def store_snapshots(taken: Mapping[str, Snapshot], context: RunContext, by: str = "") -> dict[str, str]:
    """Writes the snapshots into the store; returns their digests by step.

    They stay there for a day at least, or until the note of `by` is taken back.
    """
    for digest, snapshot in {snapshot.digest: snapshot for snapshot in taken.values()}.items():
        await note_use(context.store, digest, context.clock, by)
        if await read(context.store, keys.code(digest)) is None:
            await create(context.store, keys.code(digest), snapshot.archive)
    return {step: snapshot.digest for step, snapshot in taken.items()}


async def changed_files(before: str, now: Snapshot, context: RunContext) -> list[str]:
    """Returns the files that are new, gone or different in `now`.

    `before` is the digest of a snapshot in the store; StoreError when that snapshot is not there any more.
    """
    if before == now.digest:
        return []
    archive = await read(context.store, keys.code(before))
    if archive is None:
        raise StoreError(f"{keys.code(before)}: the code of this run is not in the store any more")
    return code.differences(archive, now.archive)
