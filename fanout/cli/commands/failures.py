"""`fanout failures`: all that failed in a run."""

import json as json_format
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.api.where import Where
from fanout.cli import options
from fanout.cli.commands.status import OptionalRun

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from obstore.store import ObjectStore

    from fanout.cli.render.advised_commands import Commands
    from fanout.cli.render.output import Paint
    from fanout.pipeline.model import Step
    from fanout.records.run import RunRecord

AllAttempts = Annotated[bool, typer.Option("--all-attempts", help="Also mini-batches that succeeded on a later try.")]


def failures(
    run: OptionalRun = None,
    step: options.StepName = None,
    all_attempts: AllAttempts = False,
    store: options.Store = None,
    profile: options.Profile = None,
    json: options.Json = False,
) -> None:
    """Show every failed mini-batch, its error, and how to debug it."""
    import asyncio

    from fanout.api import context
    from fanout.cli.render.output import Console, output_to
    from fanout.queries.runs import find_run
    from fanout.queries.status import pick

    where = Where(store, profile=profile)
    settings = context.settings_of(Path.cwd(), where)

    async def look() -> None:
        objects = context.open_to_read(settings)
        record = await find_run(objects, run)
        output = Console(sys.stdout) if json else output_to(sys.stdout)
        commands = context.commands_of(settings, where)
        for one in [pick(record, step)] if step else record.pipeline.steps:
            lines = (
                _fields(objects, record, one, all_attempts=all_attempts)
                if json
                else _lines(objects, record, one, commands, output.paint, all_attempts=all_attempts)
            )
            async for line in lines:
                output.line(line)

    asyncio.run(look())


async def _lines(
    store: "ObjectStore", record: "RunRecord", step: "Step", commands: "Commands", paint: "Paint", *, all_attempts: bool
) -> "AsyncIterator[str]":
    from fanout.cli.render.failed_mini_batches import command_lines, failed_lines, unsealed_line
    from fanout.pipeline.model import ParallelStep
    from fanout.queries.failures import PlannedMiniBatches, last_words
    from fanout.records.seal import read_seal, step_seal
    from fanout.reports.failed_mini_batches import read_failures
    from fanout.storage import keys

    at = record.at(step.name)
    is_parallel = isinstance(step, ParallelStep)
    found = await read_failures(store, at, all_attempts=all_attempts) if is_parallel else None
    if found is None:
        sealed = await step_seal(store, at)
        if sealed is None:
            over = await read_seal(store, keys.run_verdict(record.name, record.round)) is not None
            yield unsealed_line(step.name, paint, over=over)
        elif is_parallel:
            yield f"{paint.strong(step.name)}: {sealed.verdict.reason}"
        else:
            for line in command_lines(step, sealed, await last_words(store, record, step), paint):
                yield line
        return
    async for line in failed_lines(found, PlannedMiniBatches(store, found.planned, found.plan), commands, paint):
        yield line


async def _fields(
    store: "ObjectStore", record: "RunRecord", step: "Step", *, all_attempts: bool
) -> "AsyncIterator[str]":
    from fanout.cli.render.failed_mini_batches import command_fields, failed_fields
    from fanout.pipeline.model import ParallelStep
    from fanout.queries.failures import PlannedMiniBatches, last_words
    from fanout.records.seal import step_seal
    from fanout.reports.failed_mini_batches import read_failures

    at = record.at(step.name)
    found = await read_failures(store, at, all_attempts=all_attempts) if isinstance(step, ParallelStep) else None
    if found is None:
        said = await last_words(store, record, step)
        sealed = await step_seal(store, at)
        yield json_format.dumps(command_fields(record.name, at.round, step, sealed, said))
        return
    async for fields in failed_fields(found, PlannedMiniBatches(store, found.planned, found.plan)):
        yield json_format.dumps(fields)
