"""What `jobs.stream` prints: the run's page, a line for each change, a summary; JobException when the run failed."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from fanout.api.run import Run
from fanout.api.values import Event, RunEnded, StepEnded, StepProgress, StepStarted
from fanout.azure.sdk import library
from fanout.errors import RunFailed
from fanout.formatting import many

if TYPE_CHECKING:
    from fanout.records.verdict import Counts

_LOG = "logs/azureml/executionlogs.txt"


def stream(run: Run, page: str, into: TextIO) -> None:
    """Writes as Azure's client does, until the run has its verdict."""

    def line(text: str = "") -> None:
        into.write(f"{text}\n")
        into.flush()

    line(f"RunId: {run.name}")
    line(f"Web View: {page}")
    line()
    line(f"Streaming {_LOG}")
    line("=" * (len(_LOG) + 10))
    line()
    for event in run.events():
        for text in _lines(event):
            line(f"[{time.strftime('%Y-%m-%d %H:%M:%SZ', time.gmtime())}] {text}")
    line()
    line("Execution Summary")
    line("=================")
    line(f"RunId: {run.name}")
    line(f"Web View: {page}")
    for name, output in run.outputs.items():
        line(f"Output {name}: {output.uri.removeprefix('file://')}")
    line()
    raise_failed(run)


def raise_failed(run: Run) -> None:
    """JobException unless the run completed, with its reason and the script's own traceback."""
    try:
        run.raise_for_status()
    except RunFailed as error:
        failed = library("azure.ai.ml.exceptions").JobException
        said = f"Exception : \n {error}" + (f"\n{error.__cause__}" if error.__cause__ else "")
        raise failed(message=said, no_personal_data_message="the job did not complete") from error


def _lines(event: Event) -> Iterator[str]:
    match event:
        case StepStarted(step=step):
            yield f"Submitting 1 runs, first five are: {step}"
        case StepProgress(step=step, counts=counts):
            yield f"{step}: {_done(counts)}"
        case StepEnded(step=step, verdict=None):
            yield f"{step}: did not run"
        case StepEnded(step=step, verdict=verdict, counts=counts):
            result = f"{verdict.status}: {verdict.reason}" if verdict else ""
            yield f"Completing processing run id {step}: {result}" + (f" ({_done(counts)})" if counts else "")
        case RunEnded(verdict=verdict):
            yield f"Finished: {verdict.status}"


def _done(counts: "Counts") -> str:
    ended = counts.succeeded + counts.failed
    failed = f", {counts.failed} failed" if counts.failed else ""
    total = "" if counts.total is None else f" of {many(counts.total, 'mini-batch', 'mini-batches')}"
    return f"{ended}{total}{failed}"
