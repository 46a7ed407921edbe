"""The story of a deployment: what differs is found out and shown, then applied; nothing else is changed.

Three things make it: the pipeline with its code in the store, the stack, and the notification of the trigger's bucket.
They are brought in this order, so that whatever starts finds what it needs, and taken away in the opposite one.
"""

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from fanout.deploy.files import infra_file
from fanout.deploy.parameters import Size, parameters
from fanout.deploy.reach import reach_of
from fanout.deploy.remains import Remains, find_remains, remove
from fanout.deploy.render import TEMPLATE
from fanout.deploy.stack import ChangeSet, Stack, Standing
from fanout.errors import DamagedRecordError, RunError, SettingsError
from fanout.run.deployment import Deployment, dump, prepare_deployment, read_deployment, write_deployment
from fanout.run.outside import Outside
from fanout.spec.steps import Pipeline
from fanout.store import keys
from fanout.store.objects import read

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be deployed."""

    name: str
    pipeline: Pipeline
    size: Size = field(default_factory=Size)
    reads: tuple[str, ...] = ()  # URIs that runs may read besides what the pipeline names


@dataclass(frozen=True, slots=True)
class Difference:
    """What a deployment would change; `record` says how the pipeline in the store differs, "" when it does not."""

    record: str
    stack: ChangeSet
    parameters: dict[str, str]
    parameters_before: dict[str, str]

    @property
    def is_empty(self) -> bool:
        """Whether everything is as it should be, but for the notification, which is looked at when it is set."""
        return not self.record and self.stack.id is None


def deployment_name(asked: str | None, pipeline: Pipeline) -> str:
    """The name that was asked for, else that of the pipeline, else that of its folder; SettingsError when unfit."""
    name = asked or re.sub(r"[^A-Za-z0-9]+", "-", pipeline.name or Path(pipeline.file).parent.name).strip("-")
    if not _NAME.fullmatch(name):
        raise SettingsError(f"--name: expected up to 40 letters, digits and '-', beginning with none, found '{name}'")
    return name


async def difference(wanted: Wanted, outside: Outside, stack: Stack) -> Difference:
    """What applying would change; nothing is, but for a change set that waits in CloudFormation."""
    standing = await asyncio.to_thread(stack.look)
    before = dict(standing.parameters) if standing else {}
    reach = reach_of(wanted.pipeline, outside.settings, wanted.reads)
    values = parameters(wanted.name, wanted.pipeline, outside.settings, reach, wanted.size, before)
    made, _ = await prepare_deployment(
        wanted.name, wanted.pipeline, outside, worker_seconds=float(values["WorkerSeconds"])
    )
    record = await _differs(made, outside)
    changes = await asyncio.to_thread(stack.prepare, infra_file(TEMPLATE), values)
    return Difference(record, changes, values, before)


async def apply(wanted: Wanted, found: Difference, outside: Outside, stack: Stack) -> Standing:
    """The pipeline is in the store, and the stack is as it should be."""
    if found.record:
        seconds = float(found.parameters["WorkerSeconds"])
        await write_deployment(wanted.name, wanted.pipeline, outside, worker_seconds=seconds)
    if found.stack.id is not None:
        return await asyncio.to_thread(stack.apply, found.stack)
    standing = await asyncio.to_thread(stack.look)
    if standing is None:
        raise RunError(f"stack {stack.name} was removed meanwhile; deploy again")
    return standing


async def look_for_remains(name: str, outside: Outside, *, data: bool) -> Remains:
    """What of a deployment is in the store; with `data` everything that lies there, whoever made it."""
    return await find_remains(outside.store, name, data=data)


async def destroy(remains: Remains, outside: Outside, stack: Stack) -> bool:
    """The stack is gone, then what it has needed of the store; whether there was a stack."""
    there = await asyncio.to_thread(stack.delete)
    await remove(outside.store, remains)
    return there


def store_of(standing: Standing) -> str:
    """The store that a stack works on."""
    bucket, prefix = (standing.parameters.get(key, "") for key in ("StoreBucket", "StorePrefix"))
    return f"s3://{bucket}/{prefix}".rstrip("/")


async def _differs(made: Deployment, outside: Outside) -> str:
    there = await read(outside.store, keys.deployment_json(made.name))
    if there is None:
        return "is new"
    if there == dump(made):
        return ""
    try:
        return "changes: " + ", ".join(_changed(await read_deployment(outside.store, made.name), made))
    except DamagedRecordError:
        return "replaces one that cannot be read"


def _changed(before: Deployment, now: Deployment) -> Iterator[str]:
    steps = {step.name: step for step in before.pipeline.steps}
    for step in now.pipeline.steps:
        if step.name not in steps:
            yield f"step {step.name} is new"
        elif step != steps[step.name]:
            yield f"step {step.name}"
        if step.name in steps and before.code.get(step.name) != now.code.get(step.name):
            yield f"code of {step.name}"
    yield from (f"step {name} is gone" for name in _gone(before, now))
    if (before.datastores, before.visibility, before.max_receives) != (
        now.datastores,
        now.visibility,
        now.max_receives,
    ):
        yield "settings"
    if replace(before.pipeline, steps=()) != replace(now.pipeline, steps=()):
        yield "the pipeline itself"
    if before.fanout != now.fanout:
        yield f"made by fanout {now.fanout}, was {before.fanout}"


def _gone(before: Deployment, now: Deployment) -> Sequence[str]:
    left = {step.name for step in now.pipeline.steps}
    return [step.name for step in before.pipeline.steps if step.name not in left]
