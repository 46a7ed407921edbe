"""Inputs as they are declared, by a component or on the spot, and the nodes that give them values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from fanout.pipeline.data.bindings import STAND_IN, is_bound, own_value
from fanout.pipeline.data.declarations import Declaration, LiteralType, read_declaration
from fanout.pipeline.expressions import DOTTED
from fanout.pipeline.model import DataInput, DataType, Input
from fanout.pipeline.scope import entry_at
from fanout.pipeline.yaml.diagnostics import CheckFailed, Report, suggest
from fanout.pipeline.yaml.fields import Fields
from fanout.pipeline.yaml.tree import MapNode, Node, is_null

_NAME = re.compile(DOTTED)
# Azure's own reserved names; one of them as an environment variable would change how the program runs.
_RESERVED = frozenset({"path", "ld_library_path", "user", "logname", "home", "pwd", "shell"})


@dataclass(frozen=True, slots=True)
class Inputs:
    """Inputs as declared, and the nodes that give them values."""

    declared: Mapping[str, Declaration]
    given: Mapping[str, Node]


def read_inputs(fields: Fields, report: Report, *, with_path: bool = True, loose: bool = False) -> Inputs:
    """Each input of a mapping; `loose` leaves a missing type open, for inputs that a component declares."""
    declared: dict[str, Declaration] = {}
    given: dict[str, Node] = {}
    check_names(fields.node, report)
    for name, node in fields.node.values():
        declared[name] = _declaration(node, report, with_path=with_path, loose=loose)
        value = declared[name].path if isinstance(node, MapNode) else node
        if value is not None and not is_null(value):
            given[name] = value
    return Inputs(declared, given)


def component_inputs(
    who: str, node: MapNode, component: MapNode, report: Report, *, more_is_fine: bool = False
) -> Inputs:
    """What the component declares, with what `node` gives; `node`'s own type and mode win. `who` is for messages.

    `more_is_fine`: an input that the component does not declare is a notice instead of a problem.
    """
    declared = read_inputs(Fields(component, report).fields("inputs"), report, with_path=False).declared
    own = read_inputs(Fields(node, report).fields("inputs"), report, loose=True)
    for key, declaration in own.declared.items():
        entry = Fields(node, report).fields("inputs").node.entries[key]
        if key not in declared:
            message = f"{who} has no input '{key}'{suggest(key, declared)}"
            if more_is_fine:
                report.notice(entry.value.origin, f"has no effect here: {message}")
            else:
                report.problem_at(entry.place, entry.value.origin.key, message)
        else:
            declared = {**declared, key: _joined(declaration, declared[key])}
    return Inputs(declared, {key: value for key, value in own.given.items() if key in declared})


def pipeline_inputs(inputs: Inputs, top: MapNode, report: Report) -> Mapping[str, Input]:
    """The values of the pipeline's own inputs; `top` is the document."""
    return {name: _pipeline_input(name, inputs, top, report) for name in inputs.declared}


def stand_in(declaration: Declaration) -> Input:
    """What those who use a wrong input see, so that one mistake is one problem."""
    return DataInput("file:///", declaration.type) if isinstance(declaration.type, DataType) else STAND_IN


def check_names(node: MapNode, report: Report) -> None:
    """Note each name of an input or output that programs and shells cannot take, or that another one is like."""
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


def _joined(own: Declaration, component: Declaration) -> Declaration:
    return replace(
        component,
        type=own.type or component.type,
        mode=own.mode or component.mode,
        read=own.read or component.read,
    )


def _pipeline_input(name: str, inputs: Inputs, top: MapNode, report: Report) -> Input:
    def check(node: Node) -> Input:
        if is_bound(node):
            raise CheckFailed("expected a value: an input of the pipeline cannot be an expression", node.origin)
        value = own_value(inputs.given.get(name), inputs.declared[name], f"required input '{name}' has no value")
        return replace(value, pipeline_input=name) if isinstance(value, DataInput) else value

    node = inputs.given.get(name) or entry_at(top, "inputs", name)
    return report.attempt(node, check, stand_in(inputs.declared[name]))
