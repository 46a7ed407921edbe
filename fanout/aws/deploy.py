"""Deploys a pipeline: finds the differences, then applies them and changes nothing else.

A deployment consists of the pipeline with its code in the store, the stack, and the notification of the trigger's
bucket. They are created in this order, so that what starts finds what it needs, and removed in the opposite order.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fanout.aws import arrivals
from fanout.aws.deployment import prepare_deployment, read_deployment, write_deployment
from fanout.aws.differences import how_record_differs, note_code
from fanout.aws.infra_files import infra_file
from fanout.aws.parameters import Size, parameters
from fanout.aws.reach import reach_of
from fanout.aws.remains import Remains, find_remains, remove
from fanout.aws.render import TEMPLATE
from fanout.aws.stack import ChangeSet, Stack, StackState
from fanout.code_snapshots.archive import Snapshot
from fanout.errors import DamagedRecordError, RunError, SettingsError
from fanout.pipeline.model import Pipeline, Trigger
from fanout.scheduler.context import RunContext

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
    trigger: Trigger | None
    trigger_before: Trigger | None
    receives_events: bool  # whether the bucket already sends its events
    code: Mapping[str, Snapshot] = field(default_factory=dict)  # what goes into the store, by step

    @property
    def is_empty(self) -> bool:
        """Whether everything is as it should be."""
        same = arrivals.is_same(self.trigger, self.trigger_before) or self.trigger_before is None
        return not self.record and self.stack.id is None and self.receives_events and same


@dataclass(frozen=True, slots=True)
class Doomed:
    """What destroying a deployment would take away."""

    stack: bool
    trigger: Trigger | None
    remains: Remains
    waiting: int  # messages in its queues

    @property
    def is_nothing(self) -> bool:
        """Whether there is no deployment."""
        return not self.stack and not self.remains.keys and self.trigger is None


def deployment_name(asked: str | None, pipeline: Pipeline) -> str:
    """The name that was asked for, else that of the pipeline, else that of its folder; SettingsError when unfit."""
    name = asked or re.sub(r"[^A-Za-z0-9]+", "-", pipeline.name or Path(pipeline.file).parent.name).strip("-")
    if not _NAME.fullmatch(name):
        raise SettingsError(f"--name: expected up to 40 letters, digits and '-', found '{name}'")
    return name


async def difference(wanted: Wanted, context: RunContext, stack: Stack) -> Difference:
    """What applying would change; nothing is, but for a change set that waits in CloudFormation."""
    standing = await asyncio.to_thread(stack.look)
    before = dict(standing.parameters) if standing else {}
    trigger = arrivals.trigger_of(wanted.name, wanted.pipeline, context)
    reach = reach_of(wanted.pipeline, context.settings, wanted.reads)
    values = parameters(wanted.name, wanted.pipeline, context.settings, reach, wanted.size, before)
    made, taken = await prepare_deployment(
        wanted.name, wanted.pipeline, context, worker_seconds=float(values["WorkerSeconds"])
    )
    return Difference(
        record=await how_record_differs(made, context.store),
        code=taken,
        receives_events=await arrivals.sends_events(trigger, context),
        trigger=trigger,
        trigger_before=arrivals.trigger_before(wanted.name, before),
        parameters=values,
        parameters_before=before,
        stack=await asyncio.to_thread(stack.prepare, infra_file(TEMPLATE), values),
    )


async def apply(wanted: Wanted, found: Difference, context: RunContext, stack: Stack) -> StackState:
    """Writes the pipeline to the store, updates the stack, and sets the notification of the bucket."""
    if found.record:
        seconds = float(found.parameters["WorkerSeconds"])
        made = await write_deployment(wanted.name, wanted.pipeline, context, worker_seconds=seconds)
        await note_code(made, context.store)
    if found.stack.id is not None:
        standing: StackState | None = await asyncio.to_thread(stack.apply, found.stack)
    else:
        standing = await asyncio.to_thread(stack.look)
    if standing is None:
        raise RunError(f"stack {stack.name} was removed meanwhile; deploy again")
    await arrivals.change(found.trigger_before, found.trigger, context)
    return standing


async def look_for(name: str, standing: StackState | None, context: RunContext, *, data: bool) -> Doomed:
    """What exists of a deployment; with `data` everything in its store, of other runs, too."""
    remains = await find_remains(context.store, name, data=data)
    if standing is not None:
        trigger = arrivals.trigger_before(name, standing.parameters)
    else:
        trigger = await _recorded_trigger(name, context)
    return Doomed(standing is not None, trigger, remains, await arrivals.waiting(name, context))


async def destroy(doomed: Doomed, context: RunContext, stack: Stack) -> None:
    """All of it is gone: first what starts runs, last what they read."""
    await arrivals.change(doomed.trigger, None, context)
    await asyncio.to_thread(stack.delete)
    await remove(context.store, doomed.remains, context.clock)


def store_of(standing: StackState) -> str:
    """The store that a stack works on."""
    bucket, prefix = (standing.parameters.get(key, "") for key in ("StoreBucket", "StorePrefix"))
    return f"s3://{bucket}/{prefix}".rstrip("/")


async def _recorded_trigger(name: str, context: RunContext) -> Trigger | None:
    try:
        return arrivals.trigger_of(name, (await read_deployment(context.store, name)).pipeline, context)
    except (RunError, SettingsError, DamagedRecordError):
        return None
