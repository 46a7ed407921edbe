"""Whether a machine sees the inputs of a step: asked by a node that joined by hand, before it takes any work.

A node that the run itself has started is on the machine where the input was planned, and is not asked.
"""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import obstore
from obstore.store import ObjectStore

from fanout.errors import InputError
from fanout.files import uris
from fanout.planning.input_presence import missing_file
from fanout.planning.manifests import read_mini_batch, read_summary
from fanout.records.mini_batch import MiniBatch
from fanout.records.step import BoundInput, StepRecord
from fanout.storage.access import Access
from fanout.storage.objects import translated
from fanout.storage.open import locate
from fanout.storage.retry import with_retries

SAMPLED = 8
"""Mini-batches, from the first to the last, whose data is looked for."""


async def check_inputs(record: StepRecord, store: ObjectStore, access: Access) -> None:
    """InputError, in a sentence, when this machine lacks data of the step."""
    unseen = await asyncio.to_thread(lambda: next(_unseen(record), None))
    if unseen is not None:
        raise InputError(_refusal(record, unseen))
    for batch in await _sample(record, store):
        if (file := missing_file(batch)) is not None:
            raise InputError(_refusal(record, f"{file}, which is in the plan, is not here"))
        await _check_remote(record, batch, access)


def _refusal(record: StepRecord, unseen: str) -> str:
    return (
        f"this machine ({socket.gethostname()}) cannot work on step {record.step.name} of run {record.run}: {unseen}. "
        "Make the data visible here under the same path, or put it where every machine reaches it (s3://…). "
        "No mini-batch was taken."
    )


def _unseen(record: StepRecord) -> Iterator[str]:
    """What is wrong with each local input of the step."""
    for name, bound in record.inputs.items():
        if bound.uri is not None and uris.is_local(bound.uri) and (wrong := _wrong(bound)) is not None:
            yield f"input {name}, {uris.display(bound.uri)}, {wrong}"


def _wrong(bound: BoundInput) -> str | None:
    path = Path(uris.to_path(bound.uri or ""))
    try:
        if not path.is_dir():
            return None if path.exists() else "does not exist here"
        with os.scandir(path) as entries:
            return None if next(entries, None) is not None else "is an empty folder here"
    except OSError as exc:
        return f"cannot be read here: {exc.strerror}"


async def _sample(record: StepRecord, store: ObjectStore) -> list[MiniBatch]:
    """A few mini-batches from the first to the last; none while the plan is being made."""
    at = record.at.in_round(record.planned_in)
    summary = await read_summary(store, at)
    if summary is None or not summary.mini_batches:
        return []
    last = summary.mini_batches - 1
    wanted = sorted({last * place // (SAMPLED - 1) for place in range(SAMPLED)})
    return [await read_mini_batch(store, at, index) for index in wanted]


async def _check_remote(record: StepRecord, batch: MiniBatch, access: Access) -> None:
    """InputError when an object of the mini-batch is not there for this machine's credentials; one is asked for."""
    named = batch.files or [piece.uri for piece in batch.pieces]
    remote = next((uri for uri in named if not uris.is_local(uri)), None)
    if remote is None:
        return
    store, key = locate(remote, access)

    async def look() -> None:
        with translated("read", uris.display(remote)):
            await obstore.head_async(store, key)

    try:
        await with_retries(store, look)
    except FileNotFoundError as exc:
        raise InputError(_refusal(record, f"{uris.display(remote)}, which is in the plan, is not there")) from exc
