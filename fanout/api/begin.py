"""Makes a run exist without carrying it out, for a process that does so in the background."""

from collections.abc import Callable

from fanout.api import context
from fanout.api.calls import call
from fanout.config.settings import Settings
from fanout.pipeline.model import Pipeline
from fanout.records.run import create_record
from fanout.records.run_names import new_name
from fanout.scheduler.code_folders import store_snapshots, take_snapshots
from fanout.scheduler.observer import Unwatched
from fanout.scheduler.resident import new_record
from fanout.scheduler.step_environments import prepare_environments


def begin_run(pipeline: Pipeline, settings: Settings, name: str | None, say: Callable[[str], None]) -> str:
    """The run is in the store, with its code as it is now; its name. RunError when one of this name exists."""

    async def begin() -> str:
        async with context.run_context_of(settings, print_line=say) as run_context:
            await run_context.engine.check(pipeline.steps)
            await prepare_environments(pipeline.steps, Unwatched())
            run = new_name(name or pipeline.name)
            code = await store_snapshots(await take_snapshots(pipeline, run_context), run_context)
            await create_record(run_context.store, new_record(run, pipeline, code, run_context))
            return run

    return call(begin)
