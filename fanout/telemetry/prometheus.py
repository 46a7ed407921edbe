"""Metrics in the text format of Prometheus: of a node from its status, of runs from what the store says. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fanout.queries.status import RunStatus, StepStatus
from fanout.records.node_status import NodeStatus

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


@dataclass(frozen=True, slots=True)
class Family:
    """A metric, `counter` or `gauge`, and its values by labels."""

    name: str
    kind: str
    help: str
    samples: Sequence[tuple[Mapping[str, str], float]]


def exposition(families: Iterable[Family]) -> str:
    """The text that Prometheus scrapes; families without a value are left out."""
    return "".join(line for family in families if family.samples for line in _lines(family))


def node_families(status: NodeStatus, run: str, step: str, now: float) -> Iterator[Family]:
    """What a node does just now; `now` in epoch seconds."""
    labels = {"run": run, "step": step, "node": str(status.node)}

    def one(name: str, kind: str, text: str, value: float) -> Family:
        return Family(f"fanout_node_{name}", kind, text, [(labels, value)])

    longest = max((now - running.since for running in status.running), default=0.0)
    yield one("slots", "gauge", "Processes of this node that run the script.", status.slots)
    yield one("slots_starting", "gauge", "Processes that are not ready yet.", status.starting)
    yield one("slots_busy", "gauge", "Processes that work on a mini-batch.", len(status.running))
    yield one("waiting", "gauge", "Mini-batches that are here and wait for a process.", status.waiting)
    yield one("attempts_total", "counter", "Attempts that have ended.", status.done)
    yield one("attempts_failed_total", "counter", "Attempts that have failed.", status.failed)
    yield one("longest_seconds", "gauge", "For how long the oldest attempt has been running.", max(0.0, longest))
    yield one("start_time_seconds", "gauge", "When the node began, in epoch seconds.", status.started)
    yield one("up", "gauge", "1 while the node works.", 0.0 if status.left else 1.0)


def run_families(runs: Sequence[RunStatus]) -> Iterator[Family]:
    """Where runs stand: their verdicts, the counts of their steps, nodes and queues."""
    steps = [(run.run, step) for run in runs for step in run.steps]
    yield Family("fanout_run_info", "gauge", "1 for each run, with its status.", [(_status(run), 1.0) for run in runs])
    yield Family(
        "fanout_run_seconds",
        "gauge",
        "How long the run took; only of runs that are over.",
        [({"run": run.run}, run.seal.seconds) for run in runs if run.seal is not None],
    )
    yield Family(
        "fanout_step_mini_batches", "gauge", "Mini-batches of a step by their outcome.", list(_outcomes(steps))
    )
    yield Family(
        "fanout_step_attempts_retried", "gauge", "Failed attempts that were tried again.", list(_retried(steps))
    )
    yield Family("fanout_step_nodes_alive", "gauge", "Nodes that work on a step.", list(_alive(steps)))
    yield Family("fanout_step_queue_depth", "gauge", "Messages in the queue of a step.", list(_depths(steps)))


def _status(run: RunStatus) -> dict[str, str]:
    return {"run": run.run, "status": "Running" if run.seal is None else str(run.seal.verdict.status)}


_Steps = Sequence[tuple[str, StepStatus]]
_Samples = Iterator[tuple[Mapping[str, str], float]]


def _outcomes(steps: _Steps) -> _Samples:
    for run, step in steps:
        if (counts := step.counts) is None:
            continue
        for outcome in ("succeeded", "failed", "dead_lettered", "canceled"):
            yield {"run": run, "step": step.name, "outcome": outcome}, getattr(counts, outcome)
        if counts.total is not None:
            yield {"run": run, "step": step.name, "outcome": "open"}, counts.total - counts.settled


def _retried(steps: _Steps) -> _Samples:
    for run, step in steps:
        if step.counts is not None:
            yield {"run": run, "step": step.name}, step.counts.retried


def _alive(steps: _Steps) -> _Samples:
    for run, step in steps:
        if step.state is not None and step.counts is not None:
            yield {"run": run, "step": step.name}, len(step.activity.alive)


def _depths(steps: _Steps) -> _Samples:
    for run, step in steps:
        if (queue := step.activity.queue) is not None:
            for state in ("visible", "held", "delayed"):
                yield {"run": run, "step": step.name, "state": state}, getattr(queue, state)


def _lines(family: Family) -> Iterator[str]:
    if not _NAME.fullmatch(family.name):
        raise ValueError(f"{family.name!r} cannot name a metric")
    yield f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.kind}\n"
    for labels, value in family.samples:
        inside = ",".join(f'{name}="{text.translate(_ESCAPES)}"' for name, text in labels.items())
        yield f"{family.name}{{{inside}}} {float(value):.17g}\n"
