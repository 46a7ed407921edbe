"""The top level of a pipeline file (reference, section 1), and the way from its text to a `Pipeline`.

Read in this order, because each stage needs the one before: the pipeline's inputs and outputs; every step on its own,
its component merged in, with its outputs (drafts); their inputs, bindings followed, and the rest of each; the graph.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from fanout.pipeline.assets import Lookup
from fanout.pipeline.component import Components, component_type
from fanout.pipeline.data.inputs import component_inputs, pipeline_inputs, read_inputs
from fanout.pipeline.data.outputs import pipeline_outputs
from fanout.pipeline.graph import check_graph
from fanout.pipeline.model import Environment, Pipeline, Step
from fanout.pipeline.scope import Scope
from fanout.pipeline.steps.drafts import datastore, read_drafts
from fanout.pipeline.steps.jobs import read_steps
from fanout.pipeline.trigger import PATH_MACROS, armed_root, check_armed, read_trigger
from fanout.pipeline.yaml.checks import choice, expected, flag, text, text_map
from fanout.pipeline.yaml.diagnostics import CheckFailed, Report, suggest
from fanout.pipeline.yaml.fields import Fields
from fanout.pipeline.yaml.tree import ListNode, MapNode, Node, ScalarNode

_SETTINGS = ("default_compute", "default_datastore", "continue_on_step_failure", "force_rerun")
_ELSEWHERE = {
    **dict.fromkeys(
        ("default_compute", "default_datastore", "continue_on_step_failure", "force_rerun"), "it belongs under settings"
    ),
    "task": "it belongs to a parallel step, under jobs",
    "command": "it belongs to a command step, under jobs",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """`settings` of a pipeline file."""

    default_compute: str | None
    default_datastore: str
    continue_on_step_failure: bool
    force_rerun: bool | None


def read_pipeline(
    root: MapNode, file: Path, report: Report, *, for_trigger: bool = False, assets: Lookup | None = None
) -> Pipeline:
    """The pipeline in a document, every problem noted; only good when there is none.

    `for_trigger`: for its trigger, whose input waits for objects instead of having a value. `assets` finds registered
    components.
    """
    written = root
    root = armed_root(written) if for_trigger else written
    top, components = Fields(root, report), Components(report, assets)
    _check_type(top)
    settings = _read_settings(top.fields("settings"))
    component = top.take("component", lambda node: _pipeline_component(node, components), None)
    broken = component is None and top.get("component") is not None
    inputs = (
        component_inputs("the component", root, component, report)
        if component
        else read_inputs(top.fields("inputs"), report)
    )
    scope = Scope(
        report,
        components,
        settings.default_datastore,
        top.take("compute", text, settings.default_compute),
        pipeline_inputs(inputs, root, report),
        pipeline_outputs(root, component, report),
        path_macros=PATH_MACROS if for_trigger else {},
    )
    steps = () if broken else _read_steps(_jobs(top, component), scope)
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
    if for_trigger:
        check_armed(pipeline, top)
    top.ignore("$schema", "properties", "jobs", "inputs", "outputs")
    top.no_effect("identity", "services")
    top.no_effect("schedule", why="has no effect here: a run starts when it is asked for")
    top.close(_ELSEWHERE)
    return replace(pipeline, notices=report.notices)


def _read_settings(fields: Fields) -> PipelineSettings:
    settings = PipelineSettings(
        default_compute=fields.take("default_compute", text, None),
        default_datastore=datastore(fields, "workspaceblobstore"),
        continue_on_step_failure=fields.take("continue_on_step_failure", flag, True),
        force_rerun=fields.take("force_rerun", flag, None),
    )
    others = [key for key in fields.node.entries if key not in _SETTINGS]
    for key in others:
        fields.no_effect(key, why=f"has no effect here{suggest(key, _SETTINGS)}")
    return settings


def _pipeline_component(node: Node, components: Components) -> MapNode:
    component = components.load(node)
    if (kind := component_type(component)) != "pipeline":
        raise CheckFailed(
            f"expected a component of type 'pipeline', found one of type '{kind}': it runs as a step under jobs"
        )
    return component


def _jobs(top: Fields, component: MapNode | None) -> Fields:
    """The steps: the file's own, or those of the component that it runs."""
    report = top.report
    if component is not None and (own := top.node.entries.get("jobs")):
        report.problem_at(own.place, "jobs", "jobs and component exclude each other; keep one of them")
    where = top if component is None else Fields(component, report)
    jobs = where.fields("jobs")
    if not jobs.node.entries and not isinstance(where.get("jobs"), ScalarNode | ListNode):
        report.problem_at(jobs.origin.place, "jobs", "missing; expected at least one step")
    return jobs


def _read_steps(jobs: Fields, scope: Scope) -> tuple[Step, ...]:
    scope = read_drafts(jobs, scope)
    steps = tuple(read_steps(scope))
    check_graph(
        steps, {leaf.name: leaf.origin for draft in scope.drafts.values() for leaf in draft.leaves()}, scope.report
    )
    _notice_unused(scope, steps)
    _notice_environments(scope, steps, jobs)
    return steps


def _notice_unused(scope: Scope, steps: tuple[Step, ...]) -> None:
    bound = {output.pipeline_output for step in steps for output in step.outputs.values()}
    for name, declared in scope.outputs.items():
        if name not in bound and declared.origin is not None:
            scope.report.notice(declared.origin, "no step writes this output")


def _notice_environments(scope: Scope, steps: tuple[Step, ...], jobs: Fields) -> None:
    """One notice for all of them: most files name an environment in every step."""
    nothing = Environment()
    asked = [s.name for s in steps if s.environment != nothing and not s.environment.has_packages]
    if asked:
        names = ", ".join(asked[:3]) + (f" and {len(asked) - 3} more" if len(asked) > 3 else "")
        why = f"images and registered environments are not used; steps run in fanout's own Python ({names})"
        scope.report.notice(jobs.origin, why)


def _check_type(top: Fields) -> None:
    """Note a type that is missing or wrong; SpecError for a file that is a component or a job, not a pipeline."""
    kind = top.get("type")
    if isinstance(kind, ScalarNode) and kind.text in ("command", "parallel"):
        message = f"expected 'pipeline', found '{kind.text}': a component or job runs as a step under jobs"
        raise top.report.fatal(kind.origin.place, kind.origin.key, message)
    top.require("type", choice("pipeline"), "pipeline", "'pipeline'")


def _name(node: Node) -> str:
    if isinstance(node, ScalarNode) and _NAME.fullmatch(node.text):
        return node.text
    raise expected("a name of letters, digits, '-' and '_'", node)
