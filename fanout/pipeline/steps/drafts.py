"""Steps half read: component merged in, inputs and outputs declared, expressions not followed yet.

A pipeline component is opened here: its steps are drafts in a scope of their own, and what it hands out is what they
write.
"""

import re
from dataclasses import replace

from fanout.pipeline.component import component_type, merge
from fanout.pipeline.data.inputs import component_inputs, read_inputs
from fanout.pipeline.data.outputs import declared_outputs, step_outputs
from fanout.pipeline.model import Output, StepOutput
from fanout.pipeline.scope import Draft, Scope
from fanout.pipeline.yaml.checks import found, mapping, text
from fanout.pipeline.yaml.diagnostics import Report
from fanout.pipeline.yaml.fields import Fields
from fanout.pipeline.yaml.tree import MapEntry, MapNode, Node, Origin, ScalarNode, child_key
from fanout.storage.keys import is_free

_STEP_NAME = re.compile(r"[a-z_][a-z0-9_]{0,254}")


def read_drafts(jobs: Fields, scope: Scope) -> Scope:
    """`scope` with a draft of each step under `jobs`, outputs read, pipeline components opened."""
    drafts: dict[str, Draft] = {}
    for name, entry in jobs.node.entries.items():
        draft = _draft(name, entry, scope)
        draft = replace(draft, said=declared_outputs(draft, scope))
        opened = draft.component is not None and component_type(draft.component) == "pipeline"
        drafts[name] = _opened(draft, scope) if opened else replace(draft, outputs=step_outputs(draft, scope))
    return replace(scope, drafts=drafts)


def datastore(settings: Fields, default: str) -> str:
    """The datastore that `${{default_datastore}}` names."""
    return settings.take("default_datastore", text, default).removeprefix("azureml:")


def _draft(name: str, entry: MapEntry, scope: Scope) -> Draft:
    """The step under `jobs.<name>` as far as it can be read on its own."""
    report, origin = scope.report, replace(entry.value.origin, place=entry.place)
    full = scope.prefix + name
    if not _STEP_NAME.fullmatch(name) or len(full) > 255:
        message = f"'{name}' is no step name; it takes lower-case letters, digits and underscores, no digit first"
        report.problem(origin, f"{message}{_better_name(name)}")
    elif not is_free(full):
        report.problem(origin, f"'{full}' is the name of something else in each run; choose another one")
    node = report.attempt(entry.value, mapping, None)
    if node is None:
        return Draft(full, MapNode(entry.value.origin), origin, broken=True)
    source = node.get("component")
    if source is None:
        inputs = read_inputs(Fields(node, report).fields("inputs"), report)
        return Draft(full, node, origin, inputs.declared, inputs.given)
    component = report.attempt(source, scope.components.load, None)
    if component is None:
        return Draft(full, node, origin, broken=True)
    return _from_component(Draft(full, node, origin), component, report)


def _better_name(name: str) -> str:
    close = name.lower().replace("-", "_").replace(" ", "_").replace(".", "_")
    return f"; try '{close}'" if _STEP_NAME.fullmatch(close) else ""


def _from_component(draft: Draft, component: MapNode, report: Report) -> Draft:
    who, opened = f"the component of step '{draft.name}'", component_type(component) == "pipeline"
    # Azure takes inputs that a pipeline component does not have, and published files give some.
    inputs = component_inputs(who, draft.node, component, report, more_is_fine=opened)
    if jobs := draft.node.entries.get("jobs"):
        report.problem_at(jobs.place, jobs.value.origin.key, "jobs and component exclude each other; keep one of them")
    kind = MapEntry(component.origin.place, _type_of(draft.node, component, report))
    merged = merge(draft.node, component, report)
    merged = replace(merged, entries={**merged.entries, "type": kind})
    return replace(draft, node=merged, declared=inputs.declared, given=inputs.given, component=component)


def _type_of(node: MapNode, component: MapNode, report: Report) -> Node:
    own, kind = node.get("type"), component_type(component)
    if own is not None and found(own) != f"'{kind}'":
        report.problem(own.origin, f"expected '{kind}', the type of the component, found {found(own)}")
    origin = Origin(component.origin.place, child_key(node.origin.key, "type"), node.origin.folder)
    return ScalarNode(origin, kind, kind)


def _opened(draft: Draft, scope: Scope) -> Draft:
    """The draft of a step that is a pipeline component, with the steps inside."""
    fields = Fields(draft.node, scope.report)
    jobs = fields.fields("jobs")
    component = draft.component or draft.node
    if not jobs.node.entries:
        scope.report.problem_at(component.origin.place, "jobs", "missing; expected at least one step")

    def enter(_node: Node) -> tuple[str, ...]:
        return scope.components.enter(component, scope.files, draft.origin, len(jobs.node.entries))

    files = scope.report.attempt(draft.node, enter, None)
    if files is None:
        return replace(draft, broken=True, outputs={name: Output() for name in draft.said})
    settings = fields.fields("settings")
    inside = replace(
        scope,
        default_datastore=datastore(settings, scope.default_datastore),
        compute=fields.take("compute", text, settings.take("default_compute", text, scope.compute)),
        outputs=draft.said,
        drafts={},
        prefix=f"{draft.name}.",
        files=files,
    )
    inside = read_drafts(jobs, inside)
    makers = _makers(inside)
    outputs = {name: Output(makers[name].type) if name in makers else Output() for name in draft.said}
    return replace(draft, inside=inside, makers=makers, outputs=outputs)


def _makers(inside: Scope) -> dict[str, StepOutput]:
    """Which output of which step inside is each output of the pipeline component."""
    makers: dict[str, StepOutput] = {}
    for draft in inside.drafts.values():
        for name, declared in draft.said.items():
            made = draft.maker(name)
            if declared.parent is None or made is None:
                continue
            taken = makers.setdefault(declared.parent, made)
            if taken is not made and declared.top is None:  # else the check of the graph says so
                where = child_key(child_key(draft.origin.key, "outputs"), name)
                message = f"goes to the same place as {taken.step}.{taken.output}: output {declared.parent}"
                inside.report.problem_at(draft.origin.place, where, message)
    return makers
