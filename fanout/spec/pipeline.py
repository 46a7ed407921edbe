"""The top level of a pipeline file (reference, section 1), and the way from its text to a `Pipeline`.

Read in this order, because each stage needs the one before: the pipeline's inputs and outputs; every step on its own,
its component merged in (drafts); the steps' outputs; their inputs, bindings followed; the rest of each step; the graph.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fanout.spec.bindings import Draft, Scope, input_value
from fanout.spec.check import choice, expected, flag, text, text_map
from fanout.spec.command import read_command
from fanout.spec.common import Reading
from fanout.spec.drafts import pipeline_inputs, pipeline_outputs, read_draft, read_outputs
from fanout.spec.fields import Fields
from fanout.spec.graph import check_graph
from fanout.spec.nodes import ListNode, MapNode, Node, ScalarNode
from fanout.spec.parallel import read_parallel
from fanout.spec.report import Check, Report, Wrong, suggest
from fanout.spec.steps import Environment, Input, LiteralInput, Pipeline, Step
from fanout.spec.trigger import PATH_MACROS, armed_root, check_armed, read_trigger

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
_UNSUPPORTED = {
    "sweep": "a sweep step is not supported",
    "spark": "a spark step is not supported",
    "automl": "an automl step is not supported",
    "import": "an import step is not supported",
    "data_transfer": "a data_transfer step is not supported",
    "do_while": "a do_while loop is not supported",
    "if_else": "an if_else condition is not supported",
    "parallel_for": "a parallel_for loop is not supported",
    "pipeline": "a pipeline inside a pipeline is not supported",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """`settings` of a pipeline file."""

    default_compute: str | None
    default_datastore: str
    continue_on_step_failure: bool
    force_rerun: bool


def read_pipeline(root: MapNode, file: Path, report: Report, *, armed: bool = False) -> Pipeline:
    """The pipeline in a document, every problem noted; only good when there is none.

    `armed`: for its trigger, whose input waits for objects instead of having a value.
    """
    written = root
    root = armed_root(written) if armed else written
    top = Fields(root, report)
    top.require("type", _pipeline_type, "pipeline", "'pipeline'")
    settings = _read_settings(top.fields("settings"))
    scope = Scope(
        report,
        settings.default_datastore,
        pipeline_inputs(top.fields("inputs"), report),
        pipeline_outputs(top.fields("outputs"), report),
        path_macros=PATH_MACROS if armed else {},
    )
    steps = _read_steps(top, scope, top.take("compute", text, settings.default_compute))
    name = top.take("name", _name, None)
    pipeline = Pipeline(
        file=str(file),
        name=name,
        steps=steps,
        display_name=top.take("display_name", text, None),
        description=top.take("description", text, None),
        experiment_name=top.take("experiment_name", text, None),
        tags=top.take("tags", text_map(), {}),
        continue_on_step_failure=settings.continue_on_step_failure,
        force_rerun=settings.force_rerun,
        trigger=read_trigger(top, written, file, name),
    )
    if armed:
        check_armed(pipeline, top)
    top.ignore("$schema", "properties")
    top.no_effect("identity", "services")
    top.close()
    return replace(pipeline, notices=report.notices)


def _read_settings(fields: Fields) -> Settings:
    settings = Settings(
        default_compute=fields.take("default_compute", text, None),
        default_datastore=fields.take("default_datastore", text, "workspaceblobstore").removeprefix("azureml:"),
        continue_on_step_failure=fields.take("continue_on_step_failure", flag, True),
        force_rerun=fields.take("force_rerun", flag, False),
    )
    known = ("default_compute", "default_datastore", "continue_on_step_failure", "force_rerun")
    others = [key for key in fields.node.entries if key not in known]
    for key in others:
        fields.no_effect(key, why=f"has no effect here{suggest(key, known)}")
    return settings


def _read_steps(top: Fields, scope: Scope, compute: str | None) -> tuple[Step, ...]:
    report = scope.report
    if top.get("component") is not None:
        report.problem_at(
            top.node.entries["component"].place, "component", "a pipeline component is not supported; write jobs"
        )
    jobs = top.fields("jobs")
    if (
        not jobs.node.entries
        and top.get("component") is None
        and not isinstance(top.get("jobs"), ScalarNode | ListNode)
    ):
        report.problem_at(jobs.origin.place, "jobs", "missing; expected at least one step")
    drafts = {name: read_draft(name, entry, report) for name, entry in jobs.node.entries.items()}
    drafts = {name: replace(draft, outputs=read_outputs(draft, scope)) for name, draft in drafts.items()}
    scope = replace(scope, drafts=drafts)
    read = [_read_step(draft, scope, compute) for draft in drafts.values() if not draft.broken]
    steps = tuple(step for step in read if step is not None)
    check_graph(steps, jobs.node.entries, report)
    _notice_unused(scope, steps, top)
    _notice_environments(scope, steps, jobs)
    return steps


def _read_step(draft: Draft, scope: Scope, compute: str | None) -> Step | None:
    kind = scope.report.attempt(draft.node.get("type") or draft.node, _step_type, "")
    if not kind:
        return None
    reading = Reading(draft, _step_inputs(draft, scope), scope, compute)
    return read_parallel(reading) if kind == "parallel" else read_command(reading)


def _step_inputs(draft: Draft, scope: Scope) -> Mapping[str, Input]:
    inputs: dict[str, Input] = {}
    for name in draft.declared:
        inputs[name] = scope.report.attempt(draft.at(name), _followed(draft, name, scope), LiteralInput(None))
    return inputs


def _followed(draft: Draft, name: str, scope: Scope) -> Check[Input]:
    return lambda _node: input_value(draft, name, scope)


def _notice_unused(scope: Scope, steps: tuple[Step, ...], top: Fields) -> None:
    bound = {output.pipeline_output for step in steps for output in step.outputs.values()}
    for name, node in top.fields("outputs").node.values():
        if name not in bound:
            scope.report.notice(node.origin, "no step writes this output")


def _notice_environments(scope: Scope, steps: tuple[Step, ...], jobs: Fields) -> None:
    """One notice for all of them: most files name an environment in every step."""
    nothing = Environment()
    asked = [s.name for s in steps if s.environment != nothing and not s.environment.has_packages]
    if asked:
        names = ", ".join(asked[:5]) + (", …" if len(asked) > 5 else "")
        why = f"images and registered environments are not used; steps run in fanout's own Python ({names})"
        scope.report.notice(jobs.origin, why)


def _step_type(node: Node) -> str:
    if isinstance(node, MapNode):
        return "command"
    if isinstance(node, ScalarNode) and node.text in _UNSUPPORTED:
        raise Wrong(f"{_UNSUPPORTED[node.text]}; there are command and parallel steps")
    return choice("command", "parallel")(node)


def _pipeline_type(node: Node) -> str:
    if isinstance(node, ScalarNode) and node.text in ("command", "parallel"):
        raise Wrong(f"expected 'pipeline', found '{node.text}': a component or job runs as a step under jobs")
    return choice("pipeline")(node)


def _name(node: Node) -> str:
    if isinstance(node, ScalarNode) and _NAME.fullmatch(node.text):
        return node.text
    raise expected("a name of letters, digits, '-' and '_'", node)
