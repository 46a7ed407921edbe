"""Steps half read: component merged in, inputs and outputs declared, expressions not followed yet."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from fanout.spec.bindings import Draft, Scope, is_bound, own_value, read_output
from fanout.spec.check import found, mapping
from fanout.spec.component import component_type, load_component, merge
from fanout.spec.declarations import (
    Declaration,
    LiteralType,
    OutputDeclaration,
    read_declaration,
    read_output_declaration,
)
from fanout.spec.expressions import DOTTED
from fanout.spec.fields import Fields
from fanout.spec.nodes import Entry, MapNode, Node, Origin, ScalarNode, child_key, is_null
from fanout.spec.report import Report, Wrong, suggest
from fanout.spec.steps import DataInput, DataType, Input, LiteralInput, Output

_NAME = re.compile(DOTTED)
_STEP_NAME = re.compile(r"[a-z_][a-z0-9_]{0,254}")
# Azure's own reserved names; one of them as an environment variable would change how the program runs.
_RESERVED = frozenset({"path", "ld_library_path", "user", "logname", "home", "pwd", "shell"})


@dataclass(frozen=True, slots=True)
class Inputs:
    """Inputs as declared, and the nodes that give them values."""

    declared: Mapping[str, Declaration]
    given: Mapping[str, Node]


def read_draft(name: str, entry: Entry, report: Report) -> Draft:
    """The step under `jobs.<name>` as far as it can be read on its own."""
    if not _STEP_NAME.fullmatch(name):
        message = f"'{name}' is no step name; it takes lower-case letters, digits and underscores, no digit first"
        report.problem_at(entry.place, entry.value.origin.key, message)
    node = report.attempt(entry.value, mapping, None)
    if node is None:
        return Draft(name, MapNode(entry.value.origin), broken=True)
    source = node.get("component")
    if source is None:
        inputs = read_inputs(Fields(node, report).fields("inputs"), report)
        return Draft(name, node, inputs.declared, inputs.given)
    component = report.attempt(source, lambda there: load_component(there, report), None)
    if component is None:
        return Draft(name, node, broken=True)
    return _from_component(name, node, component, report)


def _from_component(name: str, node: MapNode, component: MapNode, report: Report) -> Draft:
    inputs = _component_inputs(name, node, component, report)
    kind = Entry(component.origin.place, _type_of(node, component, report))
    merged = merge(node, component)
    merged = replace(merged, entries={**merged.entries, "type": kind})
    return Draft(name, merged, inputs.declared, inputs.given, component=component)


def _type_of(node: MapNode, component: MapNode, report: Report) -> Node:
    own, kind = node.get("type"), component_type(component)
    if own is not None and found(own) != f"'{kind}'":
        report.problem(own.origin, f"expected '{kind}', the type of the component, found {found(own)}")
    origin = Origin(component.origin.place, child_key(node.origin.key, "type"), node.origin.folder)
    return ScalarNode(origin, kind, kind)


def _component_inputs(name: str, node: MapNode, component: MapNode, report: Report) -> Inputs:
    """What the component declares, with what the step gives; the step's own type and mode win."""
    declared = read_inputs(Fields(component, report).fields("inputs"), report, with_path=False).declared
    own = read_inputs(Fields(node, report).fields("inputs"), report, loose=True)
    for key, declaration in own.declared.items():
        entry = Fields(node, report).fields("inputs").node.entries[key]
        if key not in declared:
            message = f"the component of step '{name}' has no input '{key}'{suggest(key, declared)}"
            report.problem_at(entry.place, entry.value.origin.key, message)
        else:
            declared = {**declared, key: _joined(declaration, declared[key])}
    return Inputs(declared, {key: value for key, value in own.given.items() if key in declared})


def _joined(own: Declaration, component: Declaration) -> Declaration:
    return replace(component, type=own.type or component.type, mode=own.mode or component.mode)


def read_inputs(fields: Fields, report: Report, *, with_path: bool = True, loose: bool = False) -> Inputs:
    """Each input of a mapping; `loose` leaves a missing type open, for inputs that a component declares."""
    declared: dict[str, Declaration] = {}
    given: dict[str, Node] = {}
    _check_names(fields.node, report)
    for name, node in fields.node.values():
        declared[name] = _declaration(node, report, with_path=with_path, loose=loose)
        value = declared[name].path if isinstance(node, MapNode) else node
        if value is not None and not is_null(value):
            given[name] = value
    return Inputs(declared, given)


def _declaration(node: Node, report: Report, *, with_path: bool, loose: bool) -> Declaration:
    if not isinstance(node, MapNode):
        return Declaration()
    declaration = read_declaration(Fields(node, report), with_path=with_path)
    if declaration.path is not None and isinstance(declaration.type, LiteralType) and not is_bound(declaration.path):
        report.problem(
            declaration.path.origin, f"an input of type {declaration.type} has no path; give the value itself"
        )
    if declaration.path is not None and declaration.type is None and not loose and not is_bound(declaration.path):
        return replace(declaration, type=DataType.URI_FOLDER)
    return declaration


def _check_names(node: MapNode, report: Report) -> None:
    seen: dict[str, str] = {}
    for name, entry in node.entries.items():
        key, folded = entry.value.origin.key, name.lower()
        if not _NAME.fullmatch(name):
            report.problem_at(entry.place, key, f"'{name}' is no name; it takes letters, digits and underscores")
        elif folded in _RESERVED:
            report.problem_at(entry.place, key, f"'{name}' is a reserved name; choose another one")
        elif folded in seen:
            report.problem_at(entry.place, key, f"'{name}' and '{seen[folded]}' differ only in case")
        seen[folded] = name


def pipeline_inputs(fields: Fields, report: Report) -> Mapping[str, Input]:
    """The values of the pipeline's own inputs."""
    inputs = read_inputs(fields, report)
    return {name: _pipeline_input(name, inputs, fields, report) for name in inputs.declared}


def _pipeline_input(name: str, inputs: Inputs, fields: Fields, report: Report) -> Input:
    def check(node: Node) -> Input:
        if is_bound(node):
            raise Wrong("expected a value: an input of the pipeline cannot be an expression", node.origin)
        value = own_value(inputs.given.get(name), inputs.declared[name], f"required input '{name}' has no value")
        return replace(value, pipeline_input=name) if isinstance(value, DataInput) else value

    node = inputs.given.get(name, fields.node.entries[name].value)
    return report.attempt(node, check, _stand_in(inputs.declared[name]))


def _stand_in(declaration: Declaration) -> Input:
    """What those who use a wrong input see, so that one mistake is one problem."""
    return DataInput("file:///", declaration.type) if isinstance(declaration.type, DataType) else LiteralInput(None)


def pipeline_outputs(fields: Fields, report: Report) -> Mapping[str, OutputDeclaration]:
    """What the pipeline says of its own outputs."""
    _check_names(fields.node, report)
    return {
        name: read_output_declaration(None if is_null(node) else node, report) for name, node in fields.node.values()
    }


def read_outputs(draft: Draft, scope: Scope) -> Mapping[str, Output]:
    """The outputs of a step: those its component declares, and its own."""
    report = scope.report
    own = Fields(draft.node, report).fields("outputs").node
    component = Fields(draft.component, report).fields("outputs").node if draft.component else None
    _check_names(own, report)
    outputs: dict[str, Output] = {}
    for name in component.entries if component else own.entries:
        said = [component.get(name)] if component else []
        outputs[name] = _output(draft.name, name, own.get(name), said, scope)
    for name in own.entries.keys() - outputs.keys():
        entry = own.entries[name]
        message = f"the component of step '{draft.name}' has no output '{name}'{suggest(name, outputs)}"
        report.problem_at(entry.place, entry.value.origin.key, message)
    return outputs


def _output(step: str, name: str, own: Node | None, component: list[Node | None], scope: Scope) -> Output:
    declarations = [read_output_declaration(None if is_bound(own) else own, scope.report)]
    declarations += [read_output_declaration(node, scope.report) for node in component]
    if own is None:
        return read_output(step, name, None, declarations, scope)
    return scope.report.attempt(own, lambda node: read_output(step, name, node, declarations, scope), Output())
