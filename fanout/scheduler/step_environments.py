"""Prepares the environments of a run's steps before the run exists: builds them, or compares them with this Python."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from fanout.environments import installed
from fanout.pipeline.model import ParallelStep, Pipeline, Step
from fanout.scheduler.observer import RunObserver


def with_own_environments(pipeline: Pipeline) -> Pipeline:
    """Returns the pipeline with every step that names a conda file run in an environment made from that file."""
    steps = tuple(_with_own(step) for step in pipeline.steps)
    if steps != pipeline.steps:
        return replace(pipeline, steps=steps)
    notice = "--env has no effect: no step names a conda file with packages"
    return replace(pipeline, notices=(*pipeline.notices, notice))


async def prepare_environments(steps: Sequence[Step], observer: RunObserver) -> None:
    """Makes the environments that steps ask for; of the others, the observer gets notices of what this Python lacks.

    UserError when one cannot be made, with the output of uv or pip.
    """
    for line in installed.notices(steps):
        observer.notice(line)
    wanted = [step for step in steps if step.environment.build]
    if not wanted:
        return
    from fanout.environments import build

    made = set[str]()
    for step in wanted:
        recipe = build.recipe_of(step)
        if notice := build.python_notice(step):
            observer.notice(notice)
        if notice := build.runtime_notice(step):
            observer.notice(notice)
        if recipe.name not in made and not build.is_built(step):
            observer.notice(f"{step.name}: making its environment from {step.environment.conda_file}")
        made.add(recipe.name)
        await asyncio.to_thread(build.python_of, step)


def _with_own(step: Step) -> Step:
    if not step.environment.has_packages:
        return step
    environment = replace(step.environment, build=True)
    if isinstance(step, ParallelStep):
        return replace(step, task=replace(step.task, environment=environment))
    return replace(step, environment=environment)
