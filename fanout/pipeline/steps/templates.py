"""Checking the templates of a step, `command` and `program_arguments`, against the names it has."""

from collections.abc import Mapping
from urllib.parse import unquote

from fanout.errors import UserError
from fanout.pipeline.expressions import Use, literal_text, own_reference, render_arguments, split_problem, template_uses
from fanout.pipeline.model import DataInput, Input, InputMode, LiteralInput
from fanout.pipeline.scope import Draft
from fanout.pipeline.shell.command_line import render_command
from fanout.pipeline.yaml.diagnostics import Report, shorten, suggest
from fanout.pipeline.yaml.tree import Node, Origin, ScalarNode


def check_template(text: str, origin: Origin, draft: Draft, report: Report) -> bool:
    """Note each expression that names nothing, and each optional input outside a group; whether there is none."""
    problems = [problem for use in template_uses(text) if (problem := _use_problem(use, draft))]
    for problem in problems:
        report.problem(origin, problem)
    return not problems


def check_command(text: str, origin: Origin, draft: Draft, inputs: Mapping[str, Input], report: Report) -> None:
    """As `check_template`, and that each value can be filled in without changing what the command is."""
    if not check_template(text, origin, draft, report):
        return
    try:
        render_command(text, _stand_ins(inputs), dict.fromkeys(draft.outputs, "output"))
    except UserError as exc:
        report.problem(origin, str(exc))


def check_arguments(text: str, origin: Origin, draft: Draft, inputs: Mapping[str, Input], report: Report) -> list[str]:
    """As `check_template`; the arguments that `text` splits into, as far as the file alone says."""
    problem = split_problem(text)
    if problem:
        report.problem(origin, problem)
    if not check_template(text, origin, draft, report) or problem:
        return []
    try:
        return render_arguments(text, _stand_ins(inputs), dict.fromkeys(draft.outputs, "output"))
    except UserError as exc:
        report.problem(origin, str(exc))
        return []


def own_name(node: Node | None, side: str, names: Mapping[str, object], report: Report) -> str | None:
    """The known name in `${{inputs.x}}` or `${{outputs.x}}`, which must be all of `node`; None, noted, when not."""
    if node is None:
        return None
    text = node.text if isinstance(node, ScalarNode) else ""
    name = own_reference(text, "inputs" if side == "inputs" else "outputs")
    if name is None:
        bare = f"; did you mean ${{{{{side}.{text.strip()}}}}}?" if text.strip() in names else ""
        report.problem(node.origin, f"expected ${{{{{side}.name}}}}, found '{shorten(text)}'{bare}")
    elif name not in names:
        report.problem(node.origin, f"the step has no {side[:-1]} '{name}'{suggest(name, names)}")
        return None
    return name


def _use_problem(use: Use | str, draft: Draft) -> str | None:
    if isinstance(use, str):
        return use
    names: Mapping[str, object] = draft.declared if use.side == "inputs" else draft.outputs
    if use.name not in names:
        return f"the step has no {use.side[:-1]} '{use.name}'{suggest(use.name, names)}"
    if use.side == "inputs" and not use.optional and draft.declared[use.name].may_be_empty:
        return f"optional input '{use.name}' must stand in a group: $[[--option ${{{{inputs.{use.name}}}}}]]"
    return None


def _stand_ins(inputs: Mapping[str, Input]) -> dict[str, str | None]:
    return {name: _stand_in(given) for name, given in inputs.items()}


def _stand_in(given: Input) -> str | None:
    """The value of an input, or text with the characters that will be in it, as far as the file alone says."""
    if isinstance(given, LiteralInput):
        return literal_text(given.value)
    if not isinstance(given, DataInput):
        return "input"
    if given.uri.startswith("file:"):
        return unquote(given.uri.removeprefix("file://"), errors="surrogateescape")
    whole = given.mode is InputMode.DIRECT and "://" in given.uri and not given.uri.startswith("azureml:")
    return given.uri if whole else "input/" + given.uri.rpartition("/")[2]
