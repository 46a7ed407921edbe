"""Inputs and outputs of steps: literals, data and `${{parent…}}` bindings followed to where they lead.

A binding takes the type and mode of its consumer where that says any (reference, sections 0 and 3); a circle of
bindings and a name that does not exist are problems, each with the nearest name that does.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from fanout.pipeline.data.declarations import Declaration, LiteralType, OutputDeclaration, input_modes, literal
from fanout.pipeline.data.locations import check_free, check_present, check_table, data_uri
from fanout.pipeline.data.path_lists import LISTED, data_place
from fanout.pipeline.expressions import (
    Reference,
    has_expression,
    literal_text,
    own_reference,
    parse_reference,
    render_text,
    whole_expression,
)
from fanout.pipeline.model import DataInput, DataType, Input, InputMode, LiteralInput, Output, OutputMode, StepOutput
from fanout.pipeline.scope import Draft, Scope, require_known
from fanout.pipeline.trigger import RUN_TOKEN
from fanout.pipeline.yaml.checks import expected
from fanout.pipeline.yaml.diagnostics import AlreadyReported, CheckFailed, Report, shorten
from fanout.pipeline.yaml.tree import Node, Origin, ScalarNode, is_null

T = TypeVar("T")
_HOPS_LIMIT = 20
_HALVED = re.compile(r"\$\{(name|default_datastore|output_name)\}")
_EVALUATED = (InputMode.EVAL_MOUNT, InputMode.EVAL_DOWNLOAD)

STAND_IN = LiteralInput("?")
"""The value of an input that has a problem: its uses are not reported again."""


def is_bound(node: Node | None) -> bool:
    """Whether a node is, or was meant to be, an expression."""
    return isinstance(node, ScalarNode) and has_expression(node.text)


def own_value(node: Node | None, declaration: Declaration, missing: str) -> Input:
    """The input that a node without expressions is; CheckFailed, saying `missing`, when there is no value at all."""
    if node is None or is_null(node):
        node = declaration.default
    if node is None:
        if declaration.optional:
            return LiteralInput(None)
        raise CheckFailed(missing)
    if not isinstance(declaration.type, DataType):
        return LiteralInput(literal(node, declaration))
    uri, paths = _located(node, declaration.type)
    return DataInput(uri, declaration.type, declaration.mode, paths=paths, read=declaration.read)


def input_value(draft: Draft, name: str, scope: Scope) -> Input:
    """The value of the input `name` of a step, its binding followed; CheckFailed when it has none or the wrong one."""
    declaration, node = draft.declared[name], draft.given.get(name)
    if node is None or not is_bound(node):
        value = own_value(node, declaration, f"required input '{name}' of step '{draft.name}' has no value")
    else:
        value = _fitted(_follow(node, scope), declaration, node)
    _check_table(value, declaration, draft.at(name))
    return value


def _check_table(value: Input, declaration: Declaration, node: Node) -> None:
    """CheckFailed when the step says that it takes a table, or has its files listed, and the folder holds no MLTable.

    A step that only inherits the type from the pipeline's input gets the folder, whatever is in it.
    """
    if isinstance(value, DataInput) and (declaration.type is DataType.MLTABLE or value.mode in _EVALUATED):
        uri = value.uri
        _at(node, lambda: check_table(uri))


def setting(node: Node, own: Mapping[str, Input], scope: Scope) -> Node:
    """A setting with its binding followed to a literal: `${{parent.inputs.x}}`, or `${{inputs.x}}` in a component."""
    if not isinstance(node, ScalarNode) or not is_bound(node):
        return node
    name = own_reference(node.text, "inputs")
    value = own[name] if name is not None and name in own else _follow(node, scope)
    if value is STAND_IN:
        raise AlreadyReported(str(node.text), node.origin)
    if not isinstance(value, LiteralInput):
        raise CheckFailed(f"{node.text.strip()} is data; a setting takes a value", node.origin)
    return ScalarNode(node.origin, value.value, literal_text(value.value) or "", via=node.text.strip())


def _follow(node: Node, scope: Scope) -> Input:
    """What a binding leads to, through the inputs of other steps if need be."""
    seen: list[Reference] = []
    reference = _reference(node, scope.report)
    while reference.step and reference.side == "inputs":
        if reference in seen or len(seen) == _HOPS_LIMIT:
            trouble = "leads back to itself" if reference in seen else f"is more than {_HOPS_LIMIT} bindings away"
            raise CheckFailed(f"{reference} {trouble}", node.origin)
        seen.append(reference)
        draft = scope.draft(reference.step, node.origin)
        message = f"step '{draft.name}' has no input '{reference.name}'"
        require_known(reference.name, draft.declared, message, node.origin)
        there = draft.given.get(reference.name)
        if there is None or not is_bound(there):
            return own_value(there, draft.declared[reference.name], f"{reference} has no value")
        reference = _reference(there, scope.report)
    return _end(reference, node.origin, scope)


def _reference(node: Node, report: Report) -> Reference:
    text = node.text if isinstance(node, ScalarNode) else ""
    reference = parse_reference(text)
    forms = "${{parent.inputs.name}} or ${{parent.jobs.step.outputs.name}}, as the whole value"
    if reference is None or (reference.side == "outputs" and reference.step is None):
        if any(macro in text for macro in ("${{name}}", "${{default_datastore}}", "${{output_name}}")):
            raise CheckFailed(
                f"${{{{name}}}} and the like stand in paths of outputs only; an input takes a path or {forms}"
            )
        raise expected(forms, node)
    if reference.old:
        report.notice(node.origin, f"'{shorten(text.strip())}' is an old spelling; write {reference}")
    return reference


def _end(reference: Reference, origin: Origin, scope: Scope) -> Input:
    name = reference.name
    if reference.step is None:
        require_known(name, scope.inputs, f"the pipeline{scope.which} has no input '{name}'", origin)
        if scope.inputs[name] is STAND_IN:
            raise AlreadyReported(str(reference), origin)
        return scope.inputs[name]
    draft = scope.draft(reference.step, origin)
    if draft.broken:
        return StepOutput(draft.name, name, DataType.URI_FOLDER)
    require_known(name, draft.outputs, f"step '{draft.name}' has no output '{name}'", origin)
    made = draft.maker(name)
    if made is None:
        raise CheckFailed(f"no step inside '{draft.name}' writes its output '{name}'", origin)
    return made


def _fitted(value: Input, declaration: Declaration, node: Node) -> Input:
    """A bound value as its consumer declares it."""
    if isinstance(value, LiteralInput):
        return _fitted_literal(value, declaration, node)
    if isinstance(declaration.type, LiteralType):
        raise CheckFailed(
            f"{_text(node)} is data ({value.type}); expected a value of type {declaration.type}", node.origin
        )
    kind = declaration.type or value.type
    modes = input_modes(kind)
    if declaration.mode and declaration.mode not in modes:
        raise CheckFailed(f"mode {declaration.mode} does not go with {kind}, the type of {_text(node)}", node.origin)
    mode = declaration.mode or (value.mode if value.mode in modes else None)
    read = None if kind is DataType.MLTABLE else declaration.read or value.read
    if isinstance(value, DataInput) and kind is not value.type:
        if value.paths and kind not in LISTED:
            raise CheckFailed(f"{_text(node)} is a list of files; a list or pattern is no {kind}", node.origin)
        uri = value.uri
        _at(node, lambda: check_present(uri, DataType.URI_FOLDER if value.paths else kind))
    return replace(value, type=kind, mode=mode, read=read)


def _fitted_literal(value: LiteralInput, declaration: Declaration, node: Node) -> Input:
    if value.value is None:
        return own_value(None, declaration, f"{_text(node)} is optional and has no value, and this input needs one")
    if isinstance(declaration.type, DataType):
        raise CheckFailed(f"{_text(node)} is a value; expected data of type {declaration.type}", node.origin)
    passed = ScalarNode(node.origin, value.value, literal_text(value.value) or "", via=_text(node))
    return LiteralInput(literal(passed, declaration))


def declared_output(node: Node | None, said: list[OutputDeclaration], scope: Scope) -> OutputDeclaration:
    """What an output of a step is: as the step says, then the pipeline's output it is bound to, then its component."""
    own, *component = said
    bound = _pipeline_output(node if is_bound(node) else own.path, scope)
    shared = scope.outputs[bound] if bound else OutputDeclaration()
    layers = [own, shared, *component]
    return OutputDeclaration(
        type=next((layer.type for layer in layers if layer.type), None),
        mode=next((layer.mode for layer in layers if layer.mode), None),
        path=next((layer.path for layer in layers if layer.path and not _is_output_binding(layer.path)), None),
        parent=bound,
        top=shared.top,
    )


def output_of(step: str, name: str, declared: OutputDeclaration, scope: Scope) -> Output:
    """The output that is declared so, the macros in its path filled in."""
    kind, mode = declared.type or DataType.URI_FOLDER, declared.mode or OutputMode.RW_MOUNT
    if declared.path is None:
        return Output(kind, mode, None, declared.top)
    # On Azure the name of a step's job is another one in each run, so that no run writes over another's outputs.
    azures = {"default_datastore": scope.default_datastore, "name": f"{RUN_TOKEN}/{step}", "output_name": name}
    macros = {**scope.path_macros, **azures}
    path = _with_macros(declared.path, scope.report)
    return Output(kind, mode, _output_uri(path, macros, kind), declared.top)


def _with_macros(path: Node, report: Report) -> Node:
    """The path with `${name}` read as `${{name}}`: an f-string of Python halves the braces."""
    found = _HALVED.search(path.text) if isinstance(path, ScalarNode) else None
    if found is None or not isinstance(path, ScalarNode):
        return path
    whole, written = r"${{\1}}", found[0]
    report.notice(path.origin, f"{written} is read as {_HALVED.sub(whole, written)}: an f-string halves the braces")
    return replace(path, text=_HALVED.sub(whole, path.text))


def _output_uri(path: Node, macros: Mapping[str, str], kind: DataType) -> str:
    if not isinstance(path, ScalarNode):
        raise expected("a path", path)
    filled = replace(path, text=render_text(path.text, macros))
    if "${{trigger." in filled.text.replace(" ", ""):
        raise CheckFailed(
            "${{trigger.run}} and ${{trigger.key}} have values in runs that a trigger starts; to run this pipeline by "
            "hand give the output another path with --set",
            path.origin,
        )
    if has_expression(filled.text):
        raise expected("a path, in which ${{default_datastore}}, ${{name}} and ${{output_name}} may stand", filled)
    uri = _at(path, lambda: data_uri(filled))
    _at(path, lambda: check_free(uri, kind))
    return uri


def _is_output_binding(node: Node) -> bool:
    reference = parse_reference(node.text) if isinstance(node, ScalarNode) else None
    return reference is not None and reference.step is None and reference.side == "outputs"


def _pipeline_output(node: Node | None, scope: Scope) -> str | None:
    """The pipeline's output that a step's output is bound to, if it is."""
    if not isinstance(node, ScalarNode) or not is_bound(node):
        return None
    reference = parse_reference(node.text)
    if reference is None or not _is_output_binding(node):
        if whole_expression(node.text) and "." in node.text:
            raise expected("${{parent.outputs.name}}", node)
        return None
    if reference.old:
        scope.report.notice(node.origin, f"'{shorten(node.text.strip())}' is an old spelling; write {reference}")
    message = f"the pipeline{scope.which} has no output '{reference.name}'"
    require_known(reference.name, scope.outputs, message, node.origin)
    return reference.name


def _located(node: Node, kind: DataType) -> tuple[str, tuple[str, ...]]:
    """Where the data is; of a list or a pattern the folder around it, and the paths below that."""
    uri, paths = _at(node, lambda: data_place(node, kind))
    _at(node, lambda: check_present(uri, DataType.URI_FOLDER if paths else kind))
    return uri, paths


def _at(node: Node, check: Callable[[], T]) -> T:
    """Run a check that knows no places, and put what it finds at `node`."""
    try:
        return check()
    except CheckFailed as wrong:
        raise CheckFailed(str(wrong), wrong.origin or node.origin) from wrong


def _text(node: Node) -> str:
    return shorten(node.text.strip()) if isinstance(node, ScalarNode) else ""
