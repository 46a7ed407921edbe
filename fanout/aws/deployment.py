"""A deployment: a checked pipeline with its code, in the store, for runs that start where its files are not.

`deployments/<name>/deployment.json` is written last and whole. A run takes what it needs of it into its own run.json,
so deploying again changes no run that has begun.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Literal

from fanout.advice import advised
from fanout.code_snapshots.archive import Snapshot
from fanout.config.settings import Settings, resolve_datastore
from fanout.errors import InputError, RunError
from fanout.files import uris
from fanout.pipeline.model import DataInput, Input, ParallelStep, Pipeline, Step
from fanout.pipeline.trigger import KEY_TOKEN, is_waiting
from fanout.pipeline.yaml.diagnostics import suggest
from fanout.records.codec import Complete, Digest, Positive, Record, Seconds, Text
from fanout.records.run import try_create
from fanout.records.run_names import check_name
from fanout.scheduler.bindings import bind_outputs
from fanout.scheduler.code_folders import store_snapshots, take_snapshots
from fanout.scheduler.context import RunContext
from fanout.scheduler.resident import new_record
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import put, read
from fanout.version import __version__

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SPARE_SECONDS = 30.0
"""What a worker needs of its time besides the longest mini-batch: to start a script, to commit, to answer."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One pipeline as it was deployed, the digests of its steps' code, and where datastores are."""

    name: Text
    pipeline: Annotated[Pipeline, Complete()]
    code: Mapping[str, Digest] = field(default_factory=dict)
    datastores: Mapping[str, str] = field(default_factory=dict)
    visibility: Seconds = 30.0  # seconds for which a worker holds a mini-batch without a sign of life
    max_receives: Positive = 5  # as the work queue's redrive policy says
    fanout: Text = __version__
    version: Literal[1] = 1


DEPLOYMENTS = Record(Deployment)


async def write_deployment(
    name: str, pipeline: Pipeline, context: RunContext, *, worker_seconds: float = 900.0
) -> Deployment:
    """The pipeline and its code are in the store, for runs that start from here on.

    InputError as of `prepare_deployment`.
    """
    made, taken = await prepare_deployment(name, pipeline, context, worker_seconds=worker_seconds)
    await store_snapshots(taken, context, by=name)
    await put(context.store, keys.deployment_json(name), dump(made))
    return made


async def prepare_deployment(
    name: str, pipeline: Pipeline, context: RunContext, *, worker_seconds: float
) -> tuple[Deployment, dict[str, Snapshot]]:
    """What would be in the store, and the code of its steps; nothing is written.

    InputError names what a function cannot reach or do: data in a folder of this machine, a step whose mini-batches may
    take longer than the `worker_seconds` that a worker has.
    """
    settings = context.settings
    trouble = [*unreachable(pipeline, settings), *_too_long(pipeline, worker_seconds)]
    if trouble:
        raise InputError(f"deployment {name}: " + "; ".join(trouble))
    taken = await take_snapshots(pipeline, context)
    made = Deployment(
        name=check_name(name),
        pipeline=pipeline,
        code={step: snapshot.digest for step, snapshot in taken.items()},
        datastores=dict(settings.datastores),
        visibility=settings.visibility,
        max_receives=settings.max_receives,
    )
    return made, taken


async def read_deployment(store: "ObjectStore", name: str) -> Deployment:
    """The deployment of this name; RunError when there is none."""
    key = keys.deployment_json(check_name(name))
    body = await read(store, key)
    if body is None:
        raise RunError(f"there is no deployment named {name} in this store; `{advised().deploy('PIPELINE')}` makes one")
    return DEPLOYMENTS.load(body, key)


async def begin(deployment: Deployment, context: RunContext, inputs: Mapping[str, str], name: str) -> str:
    """A run of the deployment exists, with these URIs in the place of its data inputs; its name.

    Idempotent: where there is a run of that name, that run is returned. InputError for an input in a place that a
    deployment may not read.
    """
    if trouble := list(_not_for_functions(deployment.pipeline, inputs, context.settings)):
        raise InputError(f"deployment {deployment.name}: " + "; ".join(trouble))
    if await read(context.store, keys.run_json(check_name(name))) is None:
        pipeline = _by_hand(with_inputs(deployment.pipeline, inputs))
        await try_create(context.store, new_record(name, pipeline, deployment.code, context))
    return name


def _by_hand(pipeline: Pipeline) -> Pipeline:
    """The pipeline itself, for a run that no arrival starts; InputError when it needs one."""
    for step in pipeline.steps:
        for name in step.inputs:
            if is_waiting(step, name):
                raise InputError(f"input {name} of step {step.name} waits for objects: give it a URI in `inputs`")
        for name, output in step.outputs.items():
            if output.uri is not None and KEY_TOKEN in output.uri:
                raise InputError(f"output {name} of step {step.name} is named after the object that starts a run")
    return pipeline


def dump(deployment: Deployment) -> bytes:
    """The deployment as JSON; equal ones give equal bytes."""
    code, datastores = dict(sorted(deployment.code.items())), dict(sorted(deployment.datastores.items()))
    return DEPLOYMENTS.dump(replace(deployment, code=code, datastores=datastores))


def with_inputs(pipeline: Pipeline, given: Mapping[str, str]) -> Pipeline:
    """The pipeline with other URIs for these of its data inputs; InputError when it has none of the name.

    Values that are no data may stand in settings, too, so they are fixed when the pipeline is deployed.
    """
    known = sorted({name for step in pipeline.steps for name in _named(step)})
    for name in given:
        if name not in known:
            raise InputError(f"the pipeline has no data input {name!r} that a step uses{suggest(name, known)}")
    return replace(pipeline, steps=tuple(_with_inputs(step, given) for step in pipeline.steps))


def _with_inputs(step: Step, given: Mapping[str, str]) -> Step:
    def value(bound: Input) -> Input:
        uri = given.get(bound.pipeline_input or "") if isinstance(bound, DataInput) else None
        return bound if uri is None or not isinstance(bound, DataInput) else replace(bound, uri=uri, paths=())

    return replace(step, inputs={name: value(bound) for name, bound in step.inputs.items()})


def _named(step: Step) -> Iterator[str]:
    for bound in step.inputs.values():
        if isinstance(bound, DataInput) and bound.pipeline_input is not None:
            yield bound.pipeline_input


def _not_for_functions(pipeline: Pipeline, given: Mapping[str, str], settings: Settings) -> Iterator[str]:
    """What of the inputs given by hand is refused. S3 is bounded by what the functions are permitted to read."""
    bound = [each for step in pipeline.steps for each in step.inputs.values() if isinstance(each, DataInput)]
    hosts = {uris.authority(resolve_datastore(each.uri, settings)) for each in bound}
    for name, uri in given.items():
        place = resolve_datastore(uri, settings)
        if uris.is_local(place):
            yield f"input {name} is {uris.display(place)}, which would be on the machine of the function"
        elif uris.scheme(place) not in ("s3", "s3a") and uris.authority(place) not in hosts:
            yield f"input {name} is at {uris.display(uris.authority(place))}, where the deployed pipeline reads nothing"


def unreachable(pipeline: Pipeline, settings: Settings) -> Iterator[str]:
    """A sentence for each place that only this machine sees."""
    if uris.is_local(settings.store):
        yield f"the store is {uris.display(settings.store)}, a folder of this machine; functions need s3://bucket/prefix"
    for step in pipeline.steps:
        for name, bound in step.inputs.items():
            if isinstance(bound, DataInput) and uris.is_local(resolve_datastore(bound.uri, settings)):
                yield f"step {step.name}: input {name} is {uris.display(bound.uri)}, which is on this machine"
        for name, output in bind_outputs(step, StepRound("run", step.name), settings).items():
            if uris.is_local(output.uri) and not uris.is_local(settings.store):
                yield f"step {step.name}: output {name} goes to {uris.display(output.uri)}, which is on this machine"


def _too_long(pipeline: Pipeline, worker_seconds: float) -> Iterator[str]:
    for step in pipeline.steps:
        if isinstance(step, ParallelStep) and step.retry_settings.timeout + SPARE_SECONDS > worker_seconds:
            yield (
                f"step {step.name}: retry_settings.timeout is {step.retry_settings.timeout:g} seconds, and of the "
                f"{worker_seconds:g} that a worker has it needs {SPARE_SECONDS:g} for other things"
            )
