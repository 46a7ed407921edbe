"""Removes a run with all that belongs to it, so that whatever else goes on in the store loses nothing.

The order makes it safe to be cut anywhere, and beside everything else:

1. `removals/<run>` is created. From here on no round of the run can be opened, no run of this name be made, and no step
   be taken over from it: each of these writes its own note first, and looks for this one then.
2. Whatever was faster shows: a round without a verdict, a run that has taken something over. Then the run stays.
3. run.json goes: there is no such run any more.
4. All the rest goes: queues, uploads, objects, notes of triggers. Claims of triggers stay, so that an object whose run
   was removed starts no other.
5. `removals/<run>` goes.

Removing it again goes on with what was cut.
"""

import asyncio
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from obstore.store import LocalStore

from fanout.advice import advised
from fanout.errors import DamagedRecordError, RunError, StoreError
from fanout.output.merge_multipart import UPLOADS
from fanout.queues.step_queues import remove_queues
from fanout.records.run import RunRecord, full_name, load_record
from fanout.records.run_names import check_name
from fanout.records.seal import read_seal
from fanout.records.step import read_record
from fanout.scheduler.bindings import append_row_uri, bind_outputs
from fanout.scheduler.context import RunContext
from fanout.scheduler.reuse.taken_over import taken_over
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.multipart import PartedObject
from fanout.storage.objects import Listed, delete, list_keys, list_names, put, read
from fanout.tasks import each

if TYPE_CHECKING:
    from obstore.store import ObjectStore

ONE_REQUEST = 1000
_QUEUES = re.compile(r"runs/([^/]+)/([^/]+)/(?:rounds/(\d+)/)?queues/[^/]+")
_REDUCING = re.compile(r"runs/([^/]+)/([^/]+)/(?:rounds/(\d+)/)?reducing\.json")


@dataclass(frozen=True, slots=True)
class RunContent:
    """What goes with a run: objects and their bytes in the store; `kept` are outputs elsewhere, which stay."""

    run: str
    objects: int = 0
    bytes: int = 0
    kept: tuple[str, ...] = ()
    steps: tuple[StepRound, ...] = field(default=(), repr=False)  # that have had queues
    uploads: tuple[StepRound, ...] = field(default=(), repr=False)  # whose output is, or was, written in parts


async def removable_name(name: str, context: RunContext) -> str:
    """The run that `name` means, or what is left of one of just this name; RunError when there is neither."""
    store = context.store
    if await read(store, keys.removal(check_name(name))) is not None:
        return name
    return await full_name(store, name)


async def content_of(run: str, context: RunContext) -> RunContent:
    """What goes with this run, or with what is left of one; RunError when there is nothing of this name."""
    check_name(run)
    listed = [found async for found in list_keys(context.store, f"{keys.RUNS}{run}/")]
    if not listed and await read(context.store, keys.removal(run)) is None:
        raise RunError(f"there is no run named {run} in this store; `{advised().list()}` shows those there are")
    kept = await _outputs_elsewhere(run, context)
    size = sum(found.size for found in listed)
    return RunContent(run, len(listed), size, kept, _steps(_QUEUES, listed), _steps(_REDUCING, listed))


async def check_removable(run: str, context: RunContext) -> None:
    """RunError unless the run is over and no other run has taken over what it made.

    All runs are read: those of earlier versions of fanout have left no note where they have taken something over.
    """
    why = await why_it_stays(run, context)
    if why is None and (users := await _users_without_note(run, context)):
        why = _needed_by(users)
    if why is not None:
        raise RunError(f"run {run} {why}")


async def _users_without_note(run: str, context: RunContext) -> list[str]:
    async def uses(other: str) -> bool:
        try:
            return run in await taken_from(context.store, await load_record(context.store, other))
        except (RunError, DamagedRecordError):
            return False  # what is left of a run, or one that cannot be read, and so cannot be worked with

    others = [other for other in await list_names(context.store, keys.RUNS) if other != run]
    return [other for other, found in zip(others, await each(uses, others), strict=True) if found]


def _needed_by(users: Sequence[str]) -> str:
    return f"made what other runs have taken over, and is needed by them; remove these first: {', '.join(users)}"


async def why_it_stays(run: str, context: RunContext) -> str | None:
    """What speaks against removing the run: `is not over; …`; None when nothing does.

    Of what is left of a run without its record nothing does.
    """
    store = context.store
    if await read(store, keys.run_json(run)) is None:
        return None
    record = await load_record(store, run)
    if await read_seal(store, keys.run_verdict(run, record.round)) is None:
        return f"is not over; end it first: `{advised().cancel(run)}`"
    users = await users_of(store, run)
    return _needed_by(users) if users else None


async def users_of(store: "ObjectStore", run: str) -> list[str]:
    """The runs in this store that have taken over what a step of this one made, as far as it has notes of them."""

    async def is_there(user: str) -> bool:
        return await read(store, keys.run_json(user)) is not None

    named = await list_names(store, keys.run_uses(run))
    return [user for user, there in zip(named, await each(is_there, named), strict=True) if there]


async def taken_from(store: "ObjectStore", record: RunRecord) -> set[str]:
    """The runs whose outputs this run has taken over."""
    if record.pipeline.force_rerun is not False:
        return set()
    found = await each(lambda step: taken_over(store, record.at(step.name)), record.pipeline.steps)
    return {earlier.run for earlier in found if earlier is not None}


async def remove_run(content: RunContent, context: RunContext) -> None:
    """Nothing of the run is left; RunError when it is not over, or another run needs it. See the module for how."""
    store, run = context.store, content.run
    await put(store, keys.removal(run), b"{}")
    if (why := await why_it_stays(run, context)) is not None:
        await delete(store, keys.removal(run))
        raise RunError(f"run {run} {why}")
    await delete(store, keys.run_json(run))
    for at in content.steps:
        await remove_queues(store, context.queues, at, context.settings.store)
    await _abort_uploads(content, context)
    await _forget_trigger(run, store)
    await remove_folder(store, f"{keys.RUNS}{run}/", but=keys.run_json(run))
    await delete(store, keys.removal(run))


async def remove_folder(store: "ObjectStore", prefix: str, but: str = "") -> None:
    """No object below `prefix` is left, except for `but`; of a local store the folder goes, too."""
    if isinstance(store, LocalStore) and store.prefix is not None:
        folder = Path(store.prefix, prefix)
        if not but or not Path(store.prefix, but).exists():
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    found = [listed.key async for listed in list_keys(store, prefix) if listed.key != but]
    for start in range(0, len(found), ONE_REQUEST):
        await delete(store, *found[start : start + ONE_REQUEST])


async def _forget_trigger(run: str, store: "ObjectStore") -> None:
    """No watch carries the run out any more, and its objects start no other."""
    for trigger in await list_names(store, keys.TRIGGERS):
        if run.startswith(f"{trigger}-"):
            await put(store, keys.trigger_removed(trigger, run), b"")
            await delete(store, keys.trigger_start(trigger, run))
            await remove_folder(store, f"{keys.trigger_copies(trigger, run)}/")


async def _abort_uploads(content: RunContent, context: RunContext) -> None:
    """No part of an unfinished output stays in S3. Where the output was to go is known from step.json alone."""
    for at in content.uploads:
        body, step = await read(context.store, keys.reducing_json(at)), await read_record(context.store, at)
        try:
            upload = None if body is None else UPLOADS.load(body, keys.reducing_json(at))
        except DamagedRecordError:
            upload = None
        if (
            upload is None
            or upload.complete
            or step is None
            or (uri := append_row_uri(step.step, step.outputs)) is None
        ):
            continue
        bucket, _, key = uri.partition("://")[2].partition("/")
        with suppress(StoreError):  # it is gone, or the bucket is: `fanout gc` looks for it again
            await PartedObject(bucket, key.strip("/"), context.access).abort(upload.upload)


async def _outputs_elsewhere(run: str, context: RunContext) -> tuple[str, ...]:
    """Outputs of the run that the pipeline gave a place of their own."""
    try:
        record = await load_record(context.store, run)
    except (RunError, DamagedRecordError):
        return ()
    own = f"{context.settings.store.rstrip('/')}/{keys.RUNS}{run}/"
    settings = record.settings(context.settings)
    bound = [bind_outputs(step, record.planned_at(step.name), settings) for step in record.pipeline.steps]
    found = {output.uri for outputs in bound for output in outputs.values()}
    return tuple(sorted(uri for uri in found if not uri.startswith(own)))


def _steps(pattern: "re.Pattern[str]", listed: Sequence[Listed]) -> tuple[StepRound, ...]:
    found = [pattern.fullmatch(each.key) for each in listed]
    return tuple(dict.fromkeys(StepRound(m[1], m[2], int(m[3] or 1)) for m in found if m is not None))
