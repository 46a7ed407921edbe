"""From the options of a verb to a checked pipeline: `--input x=1` is short for the `--set` that gives x its value."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fanout.api.where import Where
from fanout.errors import InputError, Place, Problem, SpecError
from fanout.pipeline.yaml.diagnostics import CheckFailed

if TYPE_CHECKING:
    from fanout.config.settings import Settings
    from fanout.engines.node_process import WarmNode
    from fanout.pipeline.asset_kinds import AssetKind
    from fanout.pipeline.assets import AssetName, Lookup, Meaning
    from fanout.pipeline.model import Pipeline
    from fanout.pipeline.yaml.tree import Node


def load(
    path: Path,
    sets: Sequence[str] | None,
    inputs: Sequence[str] | None = None,
    *,
    where: Where | None = None,
    for_trigger: bool | None = False,
) -> "Pipeline":
    """The pipeline in the file at `path` with the options applied; SpecError with every problem found.

    InputError for a script.

    `where` is the store in which registered assets are looked up. `for_trigger`: for its trigger; None: for its trigger
    when it has one.
    """
    from fanout.pipeline.load import load_pipeline

    if path.suffix == ".py":
        raise InputError(f"{path} is a script, no pipeline file; the verb run takes it, with --over DATA")
    options = [*(sets or ()), *overrides_of(path, inputs or ())]
    return load_pipeline(path, options, for_trigger=for_trigger, assets=assets_of(path, where or Where()))


def assets_of(path: Path, where: Where) -> "Lookup":
    """What registered assets are in the store of a pipeline file; nothing is looked at before one is named.

    Environments are looked up in folders of this machine only.
    """

    def lookup(name: "AssetName", kinds: tuple["AssetKind", ...]) -> "Meaning":
        from fanout.api import context
        from fanout.pipeline.data.locations import local_path

        settings = context.settings_of(path, where)
        folder = local_path(settings.store)
        if kinds == ("environment",) and (folder is None or not (folder / "assets" / "environment").is_dir()):
            # Most files name one that is not registered: to find that out takes no look at a server, and no time.
            raise CheckFailed(f"'{name}' is not registered")
        from fanout.api.assets import Registry

        return Registry(settings).lookup(name, kinds)

    return lookup


def look_at_tables(pipeline: "Pipeline", file: Path, where: Where) -> None:
    """SpecError with all that keeps data on this machine, which steps would cut, from being cut as the file says."""
    if not cuts_tables(pipeline) and not _chooses_files(pipeline):
        return
    from fanout.api import context
    from fanout.planning import preview

    settings = context.settings_of(file, where)
    problems: list[Problem] = []
    for found in preview.look_at_tables(pipeline, settings, context.access_of(settings)):
        problems += found.problems or [Problem(_place_of(file, found.key), found.key, found.message)]
    if problems:
        raise SpecError(problems)


def _place_of(file: Path, key: str) -> Place:
    """Where the key stands in the pipeline file, or what it is in, as far as that is written there."""
    from fanout.pipeline.yaml.diagnostics import Report
    from fanout.pipeline.yaml.parser import read_document
    from fanout.pipeline.yaml.tree import ListNode, MapNode, Node

    node: Node = read_document(file, str(file), Report())
    place, rest = node.origin.place, key
    while rest:
        name, _, after = rest.partition(".")
        if isinstance(node, ListNode) and name.isdecimal() and int(name) < len(node.items):
            node, rest = node.items[int(name)], after
            place = node.origin.place
        elif isinstance(node, MapNode) and name in node.entries:
            place, node, rest = node.entries[name].place, node.entries[name].value, after
        else:
            break
    return place


def cuts_tables(pipeline: "Pipeline") -> bool:
    """Whether a step may be given rows: of plain files, or of an MLTable that is neither mounted nor downloaded."""
    from fanout.pipeline.model import ParallelStep

    return any(isinstance(step, ParallelStep) and step.cuts_table for step in pipeline.steps)


def _chooses_files(pipeline: "Pipeline") -> bool:
    """Whether a step cuts files that a pattern or a list chooses."""
    from fanout.pipeline.model import DataInput, ParallelStep

    majors = [step.inputs.get(step.input_data) for step in pipeline.steps if isinstance(step, ParallelStep)]
    return any(isinstance(major, DataInput) and major.paths for major in majors)


def own_environments(pipeline: "Pipeline") -> "Pipeline":
    """The pipeline whose steps run in environments made from their conda files."""
    from fanout.scheduler.step_environments import with_own_environments

    return with_own_environments(pipeline)


def at_once(pipeline: "Pipeline", processes: int) -> "Pipeline":
    """The pipeline whose parallel steps use so many processes on each node, whatever its file says."""
    from fanout.pipeline.model import ParallelStep

    steps = tuple(
        replace(step, max_concurrency_per_instance=processes) if isinstance(step, ParallelStep) else step
        for step in pipeline.steps
    )
    return replace(pipeline, steps=steps)


def overrides_of(path: Path, inputs: Sequence[str]) -> list[str]:
    """Each `name=value` as an override of the pipeline file; SpecError for names that the file does not have."""
    if not inputs:
        return []
    from fanout.pipeline.yaml.diagnostics import Report, suggest
    from fanout.pipeline.yaml.parser import read_document
    from fanout.pipeline.yaml.tree import MapNode

    report = Report()
    root = read_document(path, str(path), report)
    there = root.get("inputs") if isinstance(root, MapNode) else None
    known = there.entries if isinstance(there, MapNode) else {}
    found = []
    for given in inputs:
        name, equals, value = given.partition("=")
        place = Place(f"--input {given}", 1, 1)
        if not equals or not name:
            raise SpecError([Problem(place, "", "expected a name, '=' and a value: --input threshold=0.5")])
        if name not in known:
            raise SpecError([Problem(place, "", f"{path} has no input '{name}'{suggest(name, known)}")])
        target = _place_of_value(known[name].value)
        found.append(f"inputs.{name}{target}={_from_here(value) if target == '.path' else value}")
    return found


def _from_here(path: str) -> str:
    """A relative path from the current folder, where the shell has completed it; those of the file are from its own.

    Text in quotes is YAML, as in the file, and stays as it is.
    """
    is_local = path and ":" not in path.partition("/")[0] and not path.startswith(("~", "/", "$", '"', "'"))
    return str(Path.cwd() / path) if is_local else path


def _place_of_value(node: "Node") -> str:
    """Where an input that is written as a mapping has its value: its path, or its default when it is a literal."""
    from fanout.pipeline.yaml.tree import MapNode

    if not isinstance(node, MapNode):
        return ""
    return ".default" if node.get("path") is None and node.get("default") is not None else ".path"


def placed_on(pipeline: "Pipeline", on: str | None, settings: "Settings") -> "Pipeline":
    """The pipeline whose parallel steps are on this engine, also when the run is resumed; SettingsError if unknown."""
    if on is None:
        return pipeline
    from fanout.config.engine_settings import check_engine
    from fanout.engines.choose import ON
    from fanout.pipeline.model import ParallelStep

    compute = f"{ON}{check_engine(on, settings.engines, '--on')}"
    steps = (replace(step, compute=compute) if isinstance(step, ParallelStep) else step for step in pipeline.steps)
    return replace(pipeline, steps=tuple(steps))


@contextlib.contextmanager
def warm_node(pipeline: "Pipeline", settings: "Settings") -> Iterator["WarmNode | None"]:
    """A node that is there before its step is known, where a step will want one; none is left at the end."""
    from fanout.api import context
    from fanout.engines.choose import is_local
    from fanout.engines.node_process import WarmNode
    from fanout.pipeline.model import ParallelStep

    if not any(isinstance(step, ParallelStep) and is_local(step, settings) for step in pipeline.steps):
        yield None
        return
    warm = WarmNode(context.access_of(settings).child_environ(), tables=cuts_tables(pipeline))
    try:
        yield warm
    finally:
        warm.dismiss()
