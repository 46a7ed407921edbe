"""The graph that steps and their bindings make: what it must not have."""

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from fanout.pipeline.model import Step
from fanout.pipeline.trigger import RUN_TOKEN
from fanout.pipeline.yaml.diagnostics import Report
from fanout.pipeline.yaml.tree import Origin


def check_graph(steps: Sequence[Step], origins: Mapping[str, Origin], report: Report) -> None:
    """Note a cycle, and two outputs in one place; `origins` says where each step is named."""
    names = {step.name for step in steps}
    _check_cycle({step.name: step.after & names for step in steps}, origins, report)
    _check_outputs(steps, origins, report)


def _check_cycle(graph: Mapping[str, frozenset[str]], origins: Mapping[str, Origin], report: Report) -> None:
    try:
        TopologicalSorter({name: sorted(after) for name, after in graph.items()}).prepare()
    except CycleError as exc:
        cycle: list[str] = exc.args[1]
        way = " -> ".join(cycle)
        message = f"steps wait for each other in a circle: {way}" if len(cycle) > 2 else "reads its own output"
        report.problem(origins[cycle[0]], message)


def _check_outputs(steps: Sequence[Step], origins: Mapping[str, Origin], report: Report) -> None:
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
                message = f"goes to the same place as {taken[place]}: {place.replace(RUN_TOKEN, '<run>')}"
                report.problem_at(origins[step.name].place, where, message)
            taken.setdefault(place, where)
