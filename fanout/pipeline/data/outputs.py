"""Outputs of steps, of pipeline components and of the pipeline: what is said of each, and what follows from it."""

from collections.abc import Mapping

from fanout.pipeline.data.bindings import declared_output, is_bound, output_of
from fanout.pipeline.data.declarations import OutputDeclaration, read_output_declaration
from fanout.pipeline.data.inputs import check_names
from fanout.pipeline.model import Output
from fanout.pipeline.scope import Draft, Scope
from fanout.pipeline.yaml.diagnostics import Check, Report, suggest
from fanout.pipeline.yaml.fields import Fields
from fanout.pipeline.yaml.tree import MapNode, Node


def pipeline_outputs(top: MapNode, component: MapNode | None, report: Report) -> Mapping[str, OutputDeclaration]:
    """What is said of the outputs of the pipeline file: by itself, then by the component that it runs, if it does."""
    own = Fields(top, report).fields("outputs").node
    there = Fields(component, report).fields("outputs").node if component else MapNode(own.origin)
    check_names(own, report)
    if component is not None:
        _check_known("the component", own, there, report)
    outputs: dict[str, OutputDeclaration] = {}
    for name in {**there.entries, **own.entries}:
        mine, theirs = (read_output_declaration(node.get(name), report) for node in (own, there))
        entry = own.entries.get(name) or there.entries[name]
        outputs[name] = OutputDeclaration(
            type=mine.type or theirs.type,
            mode=mine.mode or theirs.mode,
            path=mine.path or theirs.path,
            top=name,
            origin=entry.value.origin,
        )
    return outputs


def declared_outputs(draft: Draft, scope: Scope) -> Mapping[str, OutputDeclaration]:
    """What is said of each output of a step: those its component declares, or else its own."""
    report = scope.report
    own = Fields(draft.node, report).fields("outputs").node
    component = Fields(draft.component, report).fields("outputs").node if draft.component else None
    check_names(own, report)
    declared: dict[str, OutputDeclaration] = {}
    for name in component.entries if component else own.entries:
        said = [component.get(name)] if component else []
        declared[name] = _declared(own.get(name), said, scope)
    if component is not None:
        _check_known(f"the component of step '{draft.name}'", own, component, report)
    return declared


def step_outputs(draft: Draft, scope: Scope) -> Mapping[str, Output]:
    """The outputs of a step that runs."""
    own = Fields(draft.node, scope.report).fields("outputs").node
    outputs: dict[str, Output] = {}
    for name, declared in draft.said.items():
        outputs[name] = scope.report.attempt(
            own.get(name) or draft.node, _output(draft.name, name, declared, scope), Output()
        )
    return outputs


def _declared(own: Node | None, component: list[Node | None], scope: Scope) -> OutputDeclaration:
    layers = [read_output_declaration(None if is_bound(own) else own, scope.report)]
    layers += [read_output_declaration(node, scope.report) for node in component]
    if own is None:
        return declared_output(None, layers, scope)
    return scope.report.attempt(own, lambda node: declared_output(node, layers, scope), OutputDeclaration())


def _output(step: str, name: str, declared: OutputDeclaration, scope: Scope) -> Check[Output]:
    return lambda _node: output_of(step, name, declared, scope)


def _check_known(who: str, own: MapNode, component: MapNode, report: Report) -> None:
    for name, entry in own.entries.items():
        if name not in component.entries:
            message = f"{who} has no output '{name}'{suggest(name, component.entries)}"
            report.problem_at(entry.place, entry.value.origin.key, message)
