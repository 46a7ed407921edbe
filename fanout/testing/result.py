"""How a run under test ended, read from the output of `fanout run --json` (fanout/cli/render/run/json_lines.py)."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from fanout.testing.output import Output

T = TypeVar("T")
WORDS_OF_COMMANDS = 40
"""Lines of a failed command's log that a failing test shows."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Mini-batches and items of a parallel step."""

    total: int = 0
    succeeded: int = 0
    failed: int = 0
    dead_lettered: int = 0
    canceled: int = 0
    retried: int = 0
    items: int = 0
    items_succeeded: int = 0
    items_failed: int = 0
    rows: int = 0
    short: int = 0  # of those that failed: run() returned fewer elements than items, and these are in the output
    unanswered: int = 0  # items that count as succeeded, although run() returned nothing for them


@dataclass(frozen=True, slots=True)
class Failure:
    """Failures that are alike: `traceback` is that of the first, with the author's own paths in it."""

    step: str
    message: str
    traceback: str
    mini_batches: tuple[int, ...]
    items: tuple[str, ...]  # of the first
    count: int
    given_up: int  # mini-batches that ended with it; the others succeeded on a later try

    def __str__(self) -> str:
        from fanout.reports.job_result import named

        one = "mini-batch" if len(self.mini_batches) == 1 else "mini-batches"
        where = f"; {one} {named(self.mini_batches)}" if self.mini_batches else ""
        first = f"; first in {', '.join(self.items)}" if self.items else ""
        times = "1 failure" if self.count == 1 else f"{self.count} failures"
        return f"step {self.step}: {times}{where}{first}\n{(self.traceback or self.message).rstrip()}"


@dataclass(frozen=True, slots=True)
class StepResult:
    """The end of a step: `verdict` is Completed, Failed, Canceled, or Skipped."""

    name: str
    kind: str
    verdict: str
    reason: str
    counts: Counts = Counts()
    outputs: Mapping[str, Output] = field(default_factory=dict)
    log_folder: Output | None = field(default=None, repr=False)

    @property
    def logs(self) -> str:
        """All that the step's processes have printed, tracebacks included, each file under its name."""
        from fanout.queries.logs import LogChoice

        files = self.log_folder.files() if self.log_folder else {}
        printed = {name for name in files for stderr in (False, True) if LogChoice(stderr=stderr).chooses(name)}
        return "".join(f"==> {name} <==\n{files[name].decode(errors='replace')}" for name in sorted(printed))


@dataclass(frozen=True, slots=True)
class RunResult:
    """The end of a run."""

    run: str
    verdict: str  # Completed, Failed or Canceled
    reason: str
    steps: Mapping[str, StepResult]
    failures: tuple[Failure, ...]
    outputs: Mapping[str, Output]  # of the pipeline, by their names in it
    notices: tuple[str, ...]
    seconds: float
    store: str  # URI
    queue: str  # "sqs" or "sqlite"
    completed_with_failures: bool = False  # Completed, although mini-batches or items failed within the thresholds

    def __repr__(self) -> str:
        # Short, as pytest shows it beside each failing assertion.
        return f"<run {self.run}: {self.verdict}, {self.reason}>"

    @property
    def completed(self) -> bool:
        """Whether the verdict is Completed."""
        return self.verdict == "Completed"

    @property
    def counts(self) -> Counts:
        """Those of the only parallel step; KeyError when there are several: see `steps`."""
        parallel = {name: step for name, step in self.steps.items() if step.kind == "parallel"}
        return _only(parallel, "parallel step", "result.steps[…].counts").counts

    @property
    def logs(self) -> str:
        """All that was printed in the run, step after step."""
        return "".join(step.logs for step in self.steps.values())

    def output(self, name: str | None = None) -> Output:
        """The pipeline's output `name`, or `step.name` for one that a step has; by default the only one there is."""
        steps = self.steps.values()
        of_steps = {f"{step.name}.{name}": output for step in steps for name, output in step.outputs.items()}
        if name is None:
            return _only(self.outputs or of_steps, "output", "result.output(name)")
        known = {**of_steps, **self.outputs}
        if name not in known:
            raise KeyError(f"the run has no output {name!r}; it has {', '.join(known) or 'none'}")
        return known[name]

    def dataframe(self, name: str | None = None, **options: Any) -> Any:
        """An output as a DataFrame: `output(name).dataframe()`."""
        return self.output(name).dataframe(**options)

    def text(self, name: str | None = None) -> str:
        """An output as text."""
        return self.output(name).text()

    def rows(self, name: str | None = None) -> list[str]:
        """An output as its lines."""
        return self.output(name).rows()

    def explain(self) -> str:
        """The verdict, and what went wrong in the user's own code, for people."""
        verdict = f"{self.verdict} with failures" if self.completed_with_failures else self.verdict
        parts = [f"run {self.run} ended {verdict}: {self.reason}", *map(str, self.failures)]
        for step in self.steps.values():
            if step.kind == "command" and step.verdict == "Failed":
                last = "\n".join(step.logs.rstrip().splitlines()[-WORDS_OF_COMMANDS:])
                parts.append(f"step {step.name}: {step.reason}; its last output:\n{last}")
            elif step.verdict == "Skipped":
                parts.append(f"step {step.name} did not run: {step.reason}")
        return "\n\n".join(parts)


def read_events(lines: Iterable[str]) -> list[dict[str, Any]]:
    """The events in what `fanout run --json` has said, as far as it was said."""
    return [json.loads(line) for line in lines if line.startswith("{")]


def steps_of(events: Iterable[Mapping[str, Any]], environ: Mapping[str, str]) -> dict[str, StepResult]:
    """Every step of the run, in the order of the pipeline; one without events did not run."""
    steps: dict[str, StepResult] = {}
    for event in events:
        match event["event"]:
            case "run_started":
                for step in event["steps"]:
                    steps[step["name"]] = StepResult(step["name"], step["kind"], "Skipped", "the run ended before it")
            case "step_skipped":
                kind = steps[event["step"]].kind
                steps[event["step"]] = StepResult(event["step"], kind, "Skipped", event["reason"])
            case "step_ended":
                steps[event["step"]] = StepResult(
                    event["step"],
                    steps[event["step"]].kind,
                    event["status"],
                    event["reason"],
                    _counts(event["counts"]),
                    {name: Output(uri, environ) for name, uri in event["outputs"].items()},
                    Output(event["logs"].rstrip("/"), environ) if event["logs"] else None,
                )
    return steps


def failures_of(events: Iterable[Mapping[str, Any]]) -> tuple[Failure, ...]:
    """The failures that the run reported at its end."""
    return tuple(
        Failure(
            step=event["step"],
            message=event["message"],
            traceback=event["traceback"],
            mini_batches=tuple(event["mini_batches"]),
            items=tuple(event["first"]["items"]),
            count=event["count"],
            given_up=event["given_up"],
        )
        for event in events
        if event["event"] == "failures"
    )


def _counts(said: Mapping[str, Any]) -> Counts:
    return Counts(**{one.name: said.get(one.name) or 0 for one in fields(Counts)})


def _only(found: Mapping[str, T], what: str, instead: str) -> T:
    if len(found) != 1:
        names = ", ".join(found) or "none"
        raise KeyError(f"the run has {len(found)} {what}s ({names}): use {instead}")
    return next(iter(found.values()))
