"""What `fanout cancel` has done, for people and for programs. Pure."""

from collections.abc import Iterator

from fanout.cli.render.advised_commands import Commands
from fanout.cli.render.output import Paint
from fanout.cli.render.run.conclusion import paint_verdict
from fanout.cli.render.status_text import status_fields
from fanout.formatting import location, mini_batches, moment, number, printable
from fanout.queries.status import RunStatus, StepStatus
from fanout.scheduler.cancel import CancelEnd


def cancel_lines(end: CancelEnd, status: RunStatus, store: str, commands: Commands, paint: Paint) -> Iterator[str]:
    """The end for people: who, what had succeeded, what stays, how to go on."""
    run, verdict = end.record.name, end.seal.verdict
    word = paint_verdict(verdict, paint, end.seal.counts)
    if not end.canceled or end.earlier:
        when = "already" if end.earlier else "before it could be canceled"
        yield f"{paint.strong(run)} was over {when}: {word} at {moment(end.seal.at)}, {printable(verdict.reason)}"
    else:
        yield f"{word} {paint.strong(run)}: {printable(verdict.reason)}"
    if end.canceled:
        yield from (f"  {step.name}: {_became(step)}" for step in status.steps)
        yield f"  what was committed stays  {location(store.rstrip('/'))}/runs/{run}/"
        yield f"  go on from there          {commands.redrive(run)}"
    else:
        yield f"  more  {commands.status(run)}"


def cancel_fields(end: CancelEnd, status: RunStatus) -> dict[str, object]:
    """The end for programs: that of `fanout status --json`, `canceled`, and whether the run was over `earlier`."""
    return {"canceled": end.canceled, "earlier": end.earlier, **status_fields(status)}


def _became(step: StepStatus) -> str:
    if step.seal is None:
        return "not started" if step.state is None else step.state
    status, counts = step.seal.verdict.status, step.counts
    if counts is None or counts.total is None:
        return status
    return f"{status}, {number(counts.succeeded)} of {mini_batches(counts.total)} had succeeded"
