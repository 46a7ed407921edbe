"""What the tests of the views share: steps, reports of their ends, and an output one can read."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from fanout.cli.render.output import Console
from fanout.pipeline.model import CommandStep, DataType, EntryTask, ParallelStep, StepOutput
from fanout.records.seal import Seal
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.results.codec import Cause, Failure, Status
from fanout.results.failed_attempt import FailedAttempt
from fanout.scheduler.observer import RunReport, StepReport
from fanout.supervision.progress import Progress

PREPARE = CommandStep(name="prepare", command="true")
SCORE = ParallelStep(
    name="score",
    task=EntryTask("score.py"),
    input_data="files",
    inputs={"files": StepOutput("prepare", "files", DataType.URI_FOLDER)},
)


@pytest.fixture
def steps() -> tuple[CommandStep, ParallelStep]:
    """A pipeline: `prepare`, a command, then `score`, which is parallel and reads what `prepare` made."""
    return PREPARE, SCORE


@pytest.fixture
def step_report() -> Callable[..., StepReport]:
    """The end of a step: `score` Completed with ten mini-batches, unless told otherwise."""

    def make(
        reason: str = "all 10 mini-batches succeeded",
        *,
        step: Any = SCORE,
        status: VerdictStatus = VerdictStatus.COMPLETED,
        counts: Counts | None = None,
        **fields: Any,
    ) -> StepReport:
        numbers = counts or Counts(10, succeeded=10, items=20, items_succeeded=20)
        seal = Seal(Verdict(status, reason), numbers, seconds=12.3)
        return StepReport(step, seal, **{"logs": "file:///store/runs/r/score/logs/", "code": "/home/me/src", **fields})

    return make


@pytest.fixture
def run_report() -> Callable[..., RunReport]:
    """The end of run `r` with these steps; its verdict is that of the last one."""

    def make(*reports: StepReport) -> RunReport:
        return RunReport("r", reports[-1].seal.verdict, tuple(reports), 61.0)

    return make


@pytest.fixture
def failed() -> Callable[..., FailedAttempt]:
    """A failed attempt on a mini-batch, with a traceback through the node's copy of the code."""

    def make(index: int, *, status: Status = Status.FAILED, message: str = "ValueError: no", **fields: Any) -> Any:
        trace = f'Traceback (most recent call last):\n  File "/tmp/r-score-0-abc/code/score.py", line 3\n{message}'
        failure = fields.pop("failure", Failure(Cause.EXCEPTION, message, trace))
        return FailedAttempt(index, fields.pop("attempt", 2), status, "process001", 0, failure, **fields)

    return make


@pytest.fixture
def progress() -> Callable[..., Progress]:
    """Where `score` stands, of a hundred mini-batches."""

    def make(
        seconds: float, *, events: Sequence[Any] = (), failures: Sequence[FailedAttempt] = (), **counts: Any
    ) -> Progress:
        return Progress("score", Counts(**{"total": 100, **counts}), 100, seconds, events, failures)

    return make


@pytest.fixture
def output() -> Console:
    """An output without colours; `output.stream.getvalue()` is what was written."""
    return Console(io.StringIO())
