"""The status of a run, for people and for programs. Pure."""

from collections.abc import Iterator
from dataclasses import asdict

from fanout.cli.render.activity import activity_fields, activity_lines, activity_summary
from fanout.cli.render.advised_commands import Commands
from fanout.cli.render.output import Paint
from fanout.cli.render.run.conclusion import MOST_CHANGES, paint_verdict
from fanout.cli.render.run.json_lines import changed_fields
from fanout.formatting import duration, location, mini_batches, moment, number, printable
from fanout.queries.status import RunStatus, StepStatus
from fanout.records import value_changes
from fanout.records.code_change import CodeChange
from fanout.records.seal import Seal
from fanout.records.verdict import Counts


def status_lines(status: RunStatus, commands: Commands, paint: Paint) -> Iterator[str]:
    """The status for people."""
    yield f"{paint.strong(status.run)}  {_ended(status.seal, paint)}"
    yield f"  started {moment(status.created)}{f' from {status.file}' if status.file else ''}" + (
        f", round {status.round}" if status.round > 1 else ""
    )
    if status.seal is not None:
        yield f"  {printable(status.seal.verdict.reason)}"
    for change in status.code_changes:
        yield from (f"  {line}" for line in _code_lines(change))
    width = max(len(step.name) for step in status.steps)
    for step in status.steps:
        yield f"  {paint.strong(step.name.ljust(width))}  {_step_line(step, paint)}"
        yield from (f"  {'':{width}}  {line}" for line in _details(step, status.run, commands))
    if status.seal is None:
        yield f"  if no process works on it any more: {commands.resume(status.run)}"
        if status.file:  # a function's code is what was sent: there is no folder to take it from anew
            yield f"  the same, with the code as it is now: {commands.resume(status.run, new_code=True)}"


def status_fields(status: RunStatus) -> dict[str, object]:
    """The status for programs; the names of the fields stay."""
    return {
        "run": status.run,
        "created": status.created,
        "round": status.round,
        "file": status.file,
        "status": None if status.seal is None else status.seal.verdict.status.value,
        "reason": None if status.seal is None else status.seal.verdict.reason,
        "with_failures": status.has_failures,
        "code_changes": [
            {"at": change.at, "steps": {step: list(change.files.get(step, ())) for step in change.code}}
            for change in status.code_changes
        ],
        "steps": [_step_fields(step) for step in status.steps],
    }


def _code_lines(change: CodeChange) -> Iterator[str]:
    for step in change.code:
        files = ", ".join(change.files.get(step, ()))
        yield printable(f"code of {step} changed {moment(change.at)} (resume --new-code); results before stay: {files}")


def _ended(seal: Seal | None, paint: Paint) -> str:
    if seal is None:
        return paint.warning("not ended")
    return f"{paint_verdict(seal.verdict, paint, seal.counts)} in {duration(seal.seconds)}"


def _step_line(step: StepStatus, paint: Paint) -> str:
    seal = step.seal
    parts = [step.state or ""]
    if seal is not None:
        parts = [f"{paint_verdict(seal.verdict, paint, seal.counts)} in {duration(seal.seconds)}"]
    if step.counts is not None:
        parts += _numbers(step.counts, paint)
    parts += activity_summary(step.activity)
    return ", ".join(parts)


def _numbers(counts: Counts, paint: Paint) -> Iterator[str]:
    if counts.lost:
        yield paint.bad(f"{number(counts.lost)} failed")
    if counts.total is None:
        yield f"{mini_batches(counts.succeeded)} succeeded, still planning"
    else:
        yield f"{number(counts.succeeded)} of {mini_batches(counts.total)} succeeded"
    for count, what in (
        (counts.canceled, "canceled"),
        (counts.retried, "tried again"),
        (counts.items_failed, "items failed"),
    ):
        if count:
            yield f"{number(count)} {what}"


def _details(step: StepStatus, run: str, commands: Commands) -> Iterator[str]:
    if step.seal is not None and not (_plain_success(step.seal) and step.taken_from is None):
        yield printable(step.seal.verdict.reason)
    yield from activity_lines(step.activity)
    for name, uri in sorted(step.outputs.items()):
        yield f"{name}: {location(uri)}"
    if step.seal is not None:
        yield from (f"{printable(what)}" for what, _ in value_changes.lines(step.seal.changes[:MOST_CHANGES]))
    if step.seal is not None and not step.seal.verdict.completed:
        yield f"look closer: {commands.logs(run, step.name)}"


def _plain_success(seal: Seal) -> bool:
    return seal.verdict.completed and not seal.counts.has_failures


def _step_fields(step: StepStatus) -> dict[str, object]:
    verdict = None if step.seal is None else step.seal.verdict
    return {
        "step": step.name,
        "status": None if verdict is None else verdict.status.value,
        "reason": None if verdict is None else verdict.reason,
        "state": None if step.state is None else step.state.value,
        "counts": None if step.counts is None else asdict(step.counts),
        "nodes": step.activity.joined,
        **activity_fields(step.activity),
        "outputs": dict(step.outputs),
        "logs": step.logs,
        "taken_from": step.taken_from,
        "changed_values": [] if step.seal is None else changed_fields(step.seal.changes),
    }
