"""Drafts to steps: inputs followed, settings read; the steps of pipeline components in the place of their step."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from fanout.pipeline.data.bindings import input_value
from fanout.pipeline.data.inputs import stand_in
from fanout.pipeline.model import Input, Step
from fanout.pipeline.scope import Draft, Scope
from fanout.pipeline.steps.command import read_command
from fanout.pipeline.steps.common import Reading
from fanout.pipeline.steps.parallel import read_parallel
from fanout.pipeline.yaml.checks import choice, expected, text, texts
from fanout.pipeline.yaml.diagnostics import Check, CheckFailed, suggest
from fanout.pipeline.yaml.fields import Fields
from fanout.pipeline.yaml.tree import MapNode, Node, ScalarNode

_UNSUPPORTED = {
    "sweep": "a sweep step is not supported",
    "spark": "a spark step is not supported",
    "automl": "an automl step is not supported",
    "import": "an import step is not supported",
    "data_transfer": "a data_transfer step is not supported",
    "do_while": "a do_while loop is not supported",
    "if_else": "an if_else condition is not supported",
    "parallel_for": "a parallel_for loop is not supported",
}


def read_steps(scope: Scope) -> Iterator[Step]:
    """The steps of a scope whose drafts are read, those of pipeline components among them."""
    for draft in scope.drafts.values():
        if draft.broken:
            continue
        inputs = _inputs(draft, scope)
        after = (*scope.after, *_after(draft, scope))
        if draft.inside is not None:
            _close(draft, scope)
            yield from read_steps(replace(draft.inside, inputs=inputs, after=after))
        elif kind := scope.report.attempt(draft.node.get("type") or draft.node, _type, ""):
            reading = Reading(draft, inputs, scope, after)
            yield read_parallel(reading) if kind == "parallel" else read_command(reading)


def _close(draft: Draft, scope: Scope) -> None:
    """Note the keys that mean nothing on a step that is a pipeline component."""
    fields = Fields(draft.node, scope.report)
    fields.ignore("$schema", "type", "inputs", "outputs", "jobs", "compute", "depends_on", "is_deterministic")
    fields.ignore("name", "version", "display_name", "description", "comment", "tags", "properties", "experiment_name")
    fields.no_effect("identity", "services")
    settings = fields.fields("settings")
    settings.ignore("default_compute", "default_datastore")
    for key in settings.node.entries:
        if key not in ("default_compute", "default_datastore"):
            settings.no_effect(key, why="has no effect here; that of the pipeline file counts")
    fields.close()


def _inputs(draft: Draft, scope: Scope) -> Mapping[str, Input]:
    inputs: dict[str, Input] = {}
    for name, declaration in draft.declared.items():
        inputs[name] = scope.report.attempt(draft.at(name), _followed(draft, name, scope), stand_in(declaration))
    return inputs


def _followed(draft: Draft, name: str, scope: Scope) -> Check[Input]:
    return lambda _node: input_value(draft, name, scope)


def _after(draft: Draft, scope: Scope) -> tuple[str, ...]:
    """The steps that `depends_on` names; of a pipeline component, all that are inside."""
    node = draft.node.get("depends_on")
    if node is None:
        return ()
    names: list[str] = []
    for name in scope.report.attempt(node, _step_names, ()):
        other = scope.drafts.get(name)
        if other is not None and other.name != draft.name:
            names += [leaf.name for leaf in other.leaves()]
            continue
        others = [name for name, other in scope.drafts.items() if other.name != draft.name]
        problem = "a step cannot wait for itself" if other else f"there is no step '{name}'{suggest(name, others)}"
        scope.report.problem(node.origin, problem)
    return tuple(names)


def _step_names(node: Node) -> tuple[str, ...]:
    if isinstance(node, ScalarNode) and node.value is not None:
        return (text(node),)
    if isinstance(node, MapNode):
        raise expected("a list of step names", node)
    return texts(node)


def _type(node: Node) -> str:
    if isinstance(node, MapNode):
        return "command"
    if isinstance(node, ScalarNode) and node.text in _UNSUPPORTED:
        raise CheckFailed(f"{_UNSUPPORTED[node.text]}; there are command and parallel steps, and pipeline components")
    if isinstance(node, ScalarNode) and node.text == "pipeline":
        raise CheckFailed("a pipeline step needs component, the path of a pipeline component's file")
    return choice("command", "parallel", "pipeline")(node)
