"""Expressions: `${{parent.jobs.a.outputs.b}}` as a reference, templates as arguments or as a command.

Whitespace inside the braces is allowed. A template is checked once, when the pipeline is loaded, and rendered where
the step runs (reference, section 3).
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from fanout.errors import UserError
from fanout.pipeline.model import Scalar

NAME = r"[a-zA-Z_][a-zA-Z0-9_]*"
DOTTED = rf"{NAME}(?:\.{NAME})*"

EXPRESSION = re.compile(r"\$\{\{\s*([^\s{}]+)\s*\}\}")
_ALMOST = re.compile(r"(?<![\\$])(?:\$\{|\{\{)\s*((?:parent\.)?(?:inputs|outputs)\.[A-Za-z_]\w*)\s*\}\}?")
"""An expression without a brace or the dollar sign; no shell has a variable with a dot in its name."""
_OPENING = re.compile(r"\$\{\{[^{}]{0,40}")
_GROUP = re.compile(r"\$\[\[((?:(?!\$\[\[).)*?)\]\]", re.DOTALL)
_REFERENCE = re.compile(
    rf"(?:(?P<parent>parents?)\.)?(?:jobs\.(?P<step>{NAME})\.)?(?P<side>inputs|outputs)\.(?P<name>{DOTTED})"
)


@dataclass(frozen=True, slots=True)
class Reference:
    """What a binding points at: an input or output of the pipeline, or of the step `step`.

    `old` holds for the spellings that Azure accepts and no longer documents: without `parent.`, or with `parents.`.
    """

    side: Literal["inputs", "outputs"]
    name: str
    step: str | None = None
    old: bool = False

    def __str__(self) -> str:
        return "${{parent." + (f"jobs.{self.step}." if self.step else "") + f"{self.side}.{self.name}" + "}}"


@dataclass(frozen=True, slots=True)
class Use:
    """One expression of a template: an input or output of the step itself, inside a `$[[...]]` group or not."""

    side: Literal["inputs", "outputs"]
    name: str
    optional: bool


def has_expression(text: str) -> bool:
    """Whether there is anything in `text` that is, or was meant to be, an expression."""
    return "${{" in text


def whole_expression(text: str) -> str | None:
    """What stands between the braces when all of `text` is one expression."""
    match = EXPRESSION.fullmatch(text.strip())
    return match[1] if match else None


def parse_reference(text: str) -> Reference | None:
    """The reference that all of `text` is; None when it is anything else."""
    match = _REFERENCE.fullmatch(whole_expression(text) or "")
    if match is None:
        return None
    side: Literal["inputs", "outputs"] = "inputs" if match["side"] == "inputs" else "outputs"
    return Reference(side, match["name"], match["step"], old=match["parent"] != "parent")


def own_reference(text: str, side: Literal["inputs", "outputs"]) -> str | None:
    """The name in `${{inputs.name}}` or `${{outputs.name}}`, when that is all of `text`."""
    reference = parse_reference(text)
    if reference is None or reference.step or reference.side != side or "parent" in text:
        return None
    return reference.name


def template_uses(template: str) -> Iterator[Use | str]:
    """Each expression of a command or argument template; a sentence in place of one that is not right there."""
    groups = [match.span() for match in _GROUP.finditer(template)]
    if template.count("$[[") != len(groups):
        yield "'$[[' without ']]'; an optional group is written $[[--option ${{inputs.x}}]]"
    for match in EXPRESSION.finditer(template):
        reference = parse_reference(match[0])
        if reference is None or reference.step or not reference.old or "parents." in match[0]:
            yield f"expected ${{{{inputs.name}}}} or ${{{{outputs.name}}}}, found '{match[0][:60]}'"
        else:
            inside = any(start <= match.start() < stop for start, stop in groups)
            yield Use(reference.side, reference.name, inside)
    for almost in _ALMOST.finditer(template):
        yield f"'{almost[0]}' is no expression; one is written ${{{{{almost[1]}}}}}"
    for broken in _OPENING.finditer(EXPRESSION.sub("", template)):
        yield f"'{broken[0].strip()}' is no expression; one is written ${{{{inputs.name}}}}, without spaces in the name"


def split_problem(template: str) -> str | None:
    """Why `template` cannot be split into arguments, if it cannot."""
    try:
        _split(template)
    except ValueError as exc:
        return f"cannot be split into arguments: {str(exc)[:1].lower()}{str(exc)[1:]}"
    return None


def literal_text(value: Scalar | None) -> str | None:
    """A literal as a program sees it: booleans as True and False (reference, section 3); None has no text."""
    return None if value is None else str(value)


def render_arguments(template: str, inputs: Mapping[str, str | None], outputs: Mapping[str, str]) -> list[str]:
    """`template` split by the rules of the shell, then filled in, so that a value with spaces stays one argument.

    A `$[[...]]` group is dropped when an input in it has no value. UserError for a name without a value elsewhere.
    """
    kept = choose_groups(template, inputs)
    try:
        arguments = _split(kept)
    except ValueError as exc:
        raise UserError(f"program arguments {split_problem(kept)}: {template}") from exc
    return [EXPRESSION.sub(lambda match: value_of(match[0], inputs, outputs), argument) for argument in arguments]


def render_text(template: str, values: Mapping[str, str]) -> str:
    """`template` with `${{name}}` of each of `values` filled in; other expressions stay as they are."""
    return EXPRESSION.sub(lambda match: values.get(match[1], match[0]), template)


def choose_groups(template: str, inputs: Mapping[str, str | None]) -> str:
    """`template` without the groups in which an input has no value, and without the brackets of the others."""

    def choose(group: re.Match[str]) -> str:
        names = (own_reference(match[0], "inputs") for match in EXPRESSION.finditer(group[1]))
        return group[1] if all(name is None or inputs.get(name) is not None for name in names) else ""

    return _GROUP.sub(choose, template)


def _split(template: str) -> list[str]:
    # An expression must survive the split in one piece, so the whitespace allowed in it goes first.
    return shlex.split(EXPRESSION.sub(lambda match: "${{" + match[1] + "}}", template))


def value_of(expression: str, inputs: Mapping[str, str | None], outputs: Mapping[str, str]) -> str:
    """What `${{inputs.x}}` or `${{outputs.x}}` stands for; UserError when that has no value."""
    name = own_reference(expression, "inputs")
    value = inputs.get(name) if name else outputs.get(own_reference(expression, "outputs") or "")
    if value is None:
        raise UserError(
            f"{expression} has no value; an optional input belongs into a group: $[[--option {expression}]]"
        )
    return value
