"""The graph that steps and their bindings make: what it must not have."""

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from fanout.spec.nodes import Entry
from fanout.spec.report import Report, suggest
from fanout.spec.steps import Step


def check_graph(steps: Sequence[Step], entries: Mapping[str, Entry], report: Report) -> None:
    """Note unknown names in depends_on, a cycle, and two outputs in one place."""
    names = {step.name for step in steps}
    for step in steps:
        for other in step.depends_on:
            if other not in entries or other == step.name:
                _unknown(step, other, entries, report)
    _check_cycle({step.name: step.after & names for step in steps}, entries, report)
    _check_outputs(steps, entries, report)


def _unknown(step: Step, other: str, entries: Mapping[str, Entry], report: Report) -> None:
    problem = "a step cannot wait for itself" if other == step.name else f"there is no step '{other}'"
    hint = "" if other == step.name else suggest(other, [name for name in entries if name != step.name])
    report.problem_at(entries[step.name].place, f"jobs.{step.name}.depends_on", problem + hint)


def _check_cycle(graph: Mapping[str, frozenset[str]], entries: Mapping[str, Entry], report: Report) -> None:
    # A step in its own depends_on has been told above; one that reads its own output has not.
    try:
        TopologicalSorter({name: sorted(after) for name, after in graph.items()}).prepare()
    except CycleError as exc:
        cycle: list[str] = exc.args[1]
        if len(cycle) > 2 or f"jobs.{cycle[0]}.depends_on" not in {problem.key for problem in report.problems}:
            way = " -> ".join(cycle)
            message = f"steps wait for each other in a circle: {way}" if len(cycle) > 2 else "reads its own output"
            report.problem_at(entries[cycle[0]].place, f"jobs.{cycle[0]}", message)


def _check_outputs(steps: Sequence[Step], entries: Mapping[str, Entry], report: Report) -> None:
    taken: dict[str, str] = {}
    for step in steps:
        for name, output in step.outputs.items():
            where = f"jobs.{step.name}.outputs.{name}"
            place = (output.uri or "").rstrip("/") or (
                output.pipeline_output and f"pipeline output {output.pipeline_output}"
            )
            if not place:
                continue
            if place in taken:
                report.problem_at(entries[step.name].place, where, f"goes to the same place as {taken[place]}: {place}")
            taken.setdefault(place, where)
