"""Pipeline files from Python: `run`, `submit`, `plan`, `validate`; and the runs that there are: `open_run`, `runs`."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from fanout.api import context, pipelines
from fanout.api.background import BackgroundProcess
from fanout.api.begin import begin_run
from fanout.api.calls import call
from fanout.api.inputs import given, replaced
from fanout.api.progress import Board
from fanout.api.run import Run, carry_out
from fanout.api.values import Validation
from fanout.api.where import Where
from fanout.config.settings import Settings
from fanout.errors import InputError, Place, Problem, SpecError
from fanout.queries.plan import PlannedStep, UnplannedStep, look_ahead
from fanout.queries.runs import find_run, list_runs

if TYPE_CHECKING:
    from fanout.pipeline.model import Pipeline

File = str | PathLike[str]
Inputs = Mapping[str, object]  # checked by `given`: dict[str, object] is what mypy infers of mixed values


def run(
    pipeline: File,
    *,
    inputs: Inputs | None = None,
    overrides: Inputs | None = None,
    name: str | None = None,
    store: str | None = None,
    queue: str | None = None,
    profile: str | None = None,
    environments: bool = False,
    reuse: bool | None = None,
    on: str | None = None,
    progress: bool | None = None,
) -> Run:
    """Runs a pipeline file in this process and its nodes, and returns the run when it has ended.

    `inputs` gives inputs of the pipeline values, `overrides` replaces values of the file by dotted path
    (`{"jobs.score.mini_batch_size": "5"}`). Relative paths of inputs start from the current folder. `name` is made up
    by default. `store` is a folder or s3://bucket/prefix; it, `queue` and `profile` mean what they mean on the command
    line. `environments`: steps run in environments made from their conda files. `reuse`: take over, or not, what steps
    of earlier runs made from the same. `on`: the engine that starts the nodes of all parallel steps, such as `slurm`
    or `slurm:big`, which fanout.toml sets. `progress`: True, False, or None for notebooks and terminals.

    A run that ends Failed is returned, too: see `Run.raise_for_status`. SpecError with every problem of the file,
    SettingsError, InputError and RunError for what cannot be started, InfrastructureError for trouble with servers.
    Ctrl-C stops the run so that `Run.resume` goes on with it.
    """
    from fanout.scheduler.resident import start

    loaded, settings = _checked(pipeline, inputs, overrides, Where(store, queue, profile))
    loaded = pipelines.placed_on(_chosen(loaded, environments=environments, reuse=reuse), on, settings)
    with pipelines.warm_node(loaded, settings) as warm:
        report = carry_out(lambda run_context, see: start(loaded, run_context, see, name), settings, progress, warm)
    return Run(report.run, settings)


def submit(
    pipeline: File,
    *,
    inputs: Inputs | None = None,
    overrides: Inputs | None = None,
    name: str | None = None,
    store: str | None = None,
    queue: str | None = None,
    profile: str | None = None,
    environments: bool = False,
    reuse: bool | None = None,
    on: str | None = None,
) -> Run:
    """Starts a run of a pipeline file and returns at once, as soon as the run exists; the code is taken as it is now.

    A background process carries it out, which outlives this one. Arguments and errors are those of `run`; what goes
    wrong later is in the run: see `Run.wait`.
    """
    where = Where(store, queue, profile)
    loaded, settings = _checked(pipeline, inputs, overrides, where)
    loaded = pipelines.placed_on(_chosen(loaded, environments=environments, reuse=reuse), on, settings)
    return submit_pipeline(loaded, settings, where, name)


def submit_pipeline(pipeline: "Pipeline", settings: Settings, where: Where, name: str | None) -> Run:
    """A run of a checked pipeline, which a background process carries out."""
    made = begin_run(pipeline, settings, name, Board().notices.append)
    return Run(made, settings, BackgroundProcess(made, context.commands_of(settings, where)))


def open_run(name: str, *, store: str | None = None, queue: str | None = None, profile: str | None = None) -> Run:
    """The run of this name, or the only one whose name begins so; RunError when there is none in the store."""
    settings = context.settings_of(Path.cwd(), Where(store, queue, profile))
    return Run(call(lambda: find_run(context.open_to_read(settings), name)).name, settings)


def runs(*, store: str | None = None, queue: str | None = None, profile: str | None = None) -> Iterator[Run]:
    """The runs of a store, newest first; none where there is no store yet."""
    settings = context.settings_of(Path.cwd(), Where(store, queue, profile))
    if not context.is_there(settings):
        return
    for listed in call(lambda: list_runs(context.open_to_read(settings))):
        yield Run(listed.record.name, settings)


def plan(
    pipeline: File,
    *,
    inputs: Inputs | None = None,
    overrides: Inputs | None = None,
    show: int = 3,
    store: str | None = None,
    profile: str | None = None,
) -> tuple[PlannedStep | UnplannedStep, ...]:
    """The mini-batches that a run would have, by step, with the first and last `show` of each, and their cost on AWS.

    Nothing is run and nothing is written. A step that reads another step's output has no plan, but says so. Errors are
    those of `run`.
    """
    loaded, settings = _loaded(Path(pipeline), inputs, overrides, Where(store, profile=profile))

    async def look() -> tuple[PlannedStep | UnplannedStep, ...]:
        return tuple(look_ahead(loaded, settings, context.access_to_look(settings), show))

    return call(look)


def validate(pipeline: File, *, inputs: Inputs | None = None, overrides: Inputs | None = None) -> Validation:
    """Everything that is wrong with a pipeline file; true where nothing is. Nothing is run and nothing is written."""
    from fanout.environments import installed

    file = Path(pipeline)
    try:
        loaded = _pipeline(file, inputs, overrides, Where())
        pipelines.look_at_tables(loaded, file, Where())
    except SpecError as error:
        return Validation(error.problems)
    except InputError as error:
        return Validation((Problem(Place(str(file), 1, 1), "", str(error)),))
    return Validation((), (*loaded.notices, *installed.notices(loaded.steps)))


def _checked(
    pipeline: File, inputs: Inputs | None, overrides: Inputs | None, where: Where
) -> tuple["Pipeline", Settings]:
    """The pipeline and the settings for it; the errors of `run` when it cannot be started."""
    loaded, settings = _loaded(Path(pipeline), inputs, overrides, where)
    pipelines.look_at_tables(loaded, Path(pipeline), where)
    return loaded, settings


def _loaded(file: Path, inputs: Inputs | None, overrides: Inputs | None, where: Where) -> tuple["Pipeline", Settings]:
    return _pipeline(file, inputs, overrides, where), context.settings_of(file, where)


def _pipeline(file: Path, inputs: Inputs | None, overrides: Inputs | None, where: Where) -> "Pipeline":
    return pipelines.load(file, replaced(overrides or {}), given(file, inputs or {}, Path.cwd()), where=where)


def _chosen(pipeline: "Pipeline", *, environments: bool, reuse: bool | None) -> "Pipeline":
    pipeline = pipelines.own_environments(pipeline) if environments else pipeline
    return pipeline if reuse is None else replace(pipeline, force_rerun=not reuse)
