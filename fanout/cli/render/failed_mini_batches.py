"""All that failed in a step: what `fanout failures` shows.

People get each kind of failure once, with the traceback, and below it every mini-batch whose last try failed so.
Programs get JSON lines; docs/operations.md says what they hold.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import asdict

from fanout.cli.render.advised_commands import Commands
from fanout.cli.render.output import Paint
from fanout.cli.render.run.conclusion import paint_verdict
from fanout.cli.render.run.failures import INDENT, MOST_ITEMS, body, title
from fanout.formatting import indented, many, mini_batches, number, printable
from fanout.pipeline.model import Step
from fanout.planning.index_ranges import ranges
from fanout.queries.failures import PlannedMiniBatches, failed_items
from fanout.records.mini_batch import MiniBatch
from fanout.records.seal import Seal
from fanout.reports.failed_mini_batches import FailedMiniBatch, FailedTry, FailuresOfStep, Fate, KindOfFailure
from fanout.reports.failure_groups import may_be_code
from fanout.security.redaction import redact

SCHEMA = 1
LONGEST_MESSAGE = 200
_KIND_WORDS = {
    Fate.FAILED: "failed",
    Fate.SHORT: "failed, what it returned is in the output",
    Fate.DEAD_LETTERED: "dead-lettered",
    Fate.UNFINISHED: "not finished",
    Fate.PARTLY_FAILED: "failed in part",
    Fate.SUCCEEDED: "succeeded later",
}


async def failed_lines(
    found: FailuresOfStep, batches: PlannedMiniBatches, commands: Commands, paint: Paint
) -> AsyncIterator[str]:
    """The failures of a step for people."""
    yield f"{paint.strong(found.at.step)}: {_state(found.seal, paint)}; {_numbers(found)}"
    for line in found.nodes.lines():
        yield INDENT + paint.warning(printable(redact(line)))
    for kind in found.kinds:
        yield ""
        yield paint.bad(f"{title(kind.group)}")
        yield printable(indented(body(kind.group, found.source), INDENT))
        async for line in _mini_batch_lines(found, kind, batches):
            yield INDENT + line
        for line in _commands(found, kind, commands):
            yield INDENT + paint.quiet(line)
    if found.unfinished and found.seal is not None:
        count = sum(last - first + 1 for first, last in found.unfinished)
        indexes = (index for first, last in found.unfinished for index in range(first, last + 1))
        yield ""
        yield f"never finished: {mini_batches(count)}: {ranges(indexes)}"


def unsealed_line(step: str, paint: Paint, *, over: bool) -> str:
    """What a step without a seal is: of a run that is `over` it did not run."""
    return f"{paint.strong(step)}: {'did not run' if over else 'has not ended'}"


def command_lines(step: Step, seal: Seal, said: str, paint: Paint) -> Iterator[str]:
    """The failure of a command step for people; nothing when it has not failed."""
    yield f"{paint.strong(step.name)}: {_state(seal, paint)}"
    if not seal.verdict.completed:
        yield f"{INDENT}{printable(seal.verdict.reason)}"
        if said:
            yield printable(indented(said, INDENT))


async def failed_fields(found: FailuresOfStep, batches: PlannedMiniBatches) -> AsyncIterator[dict[str, object]]:
    """The failures of a step for programs; the names of the fields stay."""
    yield {
        "record": "step",
        "schema": SCHEMA,
        "run": found.at.run,
        "step": found.at.step,
        "round": found.at.round,
        "status": None if found.seal is None else found.seal.verdict.status.value,
        "reason": None if found.seal is None else redact(found.seal.verdict.reason),
        "counts": asdict(found.counts),
        "unfinished": [list(span) for span in found.unfinished],
        **found.nodes.fields(),
    }
    for kind in found.kinds:
        yield _kind_fields(found, kind)
    for node, event in found.events:
        if event.failure is not None:
            yield {
                "record": "event",
                "step": found.at.step,
                "node": node,
                "process": event.process,
                "at": event.at,
                "cause": event.failure.cause.value,
                "message": redact(event.failure.message),
                "gave_up": event.gave_up,
            }
    for failed in found.mini_batches:
        yield _mini_batch_fields(found.at.step, failed, await batches.read(failed.index))


def command_fields(run: str, round_: int, step: Step, seal: Seal | None, said: str) -> dict[str, object]:
    """The end of a command step for programs."""
    return {
        "record": "step",
        "schema": SCHEMA,
        "run": run,
        "step": step.name,
        "round": round_,
        "status": None if seal is None else seal.verdict.status.value,
        "reason": None if seal is None else redact(seal.verdict.reason),
        "said": redact(said),
    }


def _state(seal: Seal | None, paint: Paint) -> str:
    return paint.warning("under way") if seal is None else paint_verdict(seal.verdict, paint, seal.counts)


def _numbers(found: FailuresOfStep) -> str:
    fates = [failed.fate for failed in found.mini_batches]
    parts = [f"{number(fates.count(fate))} {said}" for fate, said in _KIND_WORDS.items() if fate in fates]
    total = "" if found.counts.total is None else f" of {mini_batches(found.counts.total)}"
    return f"{', '.join(parts)}{total}" if parts else f"no failed mini-batch{total}"


async def _mini_batch_lines(
    found: FailuresOfStep, kind: KindOfFailure, batches: PlannedMiniBatches
) -> AsyncIterator[str]:
    """Every mini-batch whose last failure is of this kind."""
    if kind.number is None:
        return
    alike = [failed for failed in found.mini_batches if failed.tries[-1].kind == kind.number]
    differ = any(failed.tries[-1].message != kind.group.first.failure.message for failed in alike)
    for failed in alike:
        items = failed_items(failed, await batches.read(failed.index))
        shown = "; ".join(items[:MOST_ITEMS])
        more = f" and {number(len(items) - MOST_ITEMS)} more" if len(items) > MOST_ITEMS else ""
        tries = many(len(failed.tries), "failed try", "failed tries")
        yield f"mini-batch {failed.index}: {_KIND_WORDS[failed.fate]}, {tries}" + (f": {shown}{more}" if shown else "")
        if differ:
            yield f"{INDENT}{_one_line(failed.tries[-1].message)}"


def _one_line(message: str) -> str:
    text = printable(" ".join(message.split()))
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}…"


def _commands(found: FailuresOfStep, kind: KindOfFailure, commands: Commands) -> Iterator[str]:
    run, step, first = found.at.run, found.at.step, kind.group.first
    if first.index is None:
        yield f"look closer: {commands.logs(run, step, first.node, first.process)}"
        return
    yield f"look closer: {commands.run_one(run, step, first.index)}"
    if found.seal is not None and (kind.group.given_up or kind.group.items_given_up):
        yield f"try again:   {commands.redrive(run, step, first.index)}"
        if found.has_code_folder and may_be_code(first.failure.cause):
            yield f"with changed code: {commands.redrive(run, step, first.index, new_code=True)}"


def _kind_fields(found: FailuresOfStep, kind: KindOfFailure) -> dict[str, object]:
    first = kind.group.first
    return {
        "record": "kind",
        "step": found.at.step,
        "kind": kind.number,
        "count": kind.group.count,
        "mini_batches": len(kind.group.mini_batches),
        "given_up": kind.group.given_up,
        "items_given_up": kind.group.items_given_up,
        "cause": first.failure.cause.value,
        "message": redact(first.failure.message),
        "traceback": redact(found.source.restore(first.failure.traceback)),
        "first": {
            "mini_batch": first.index,
            "attempt": None if first.attempt is None else first.attempt + 1,
            "node": first.node,
            "process": first.process,
        },
    }


def _mini_batch_fields(step: str, failed: FailedMiniBatch, batch: MiniBatch | None) -> dict[str, object]:
    return {
        "record": "mini_batch",
        "step": step,
        "mini_batch": failed.index,
        "status": failed.fate.value,
        "items": _items(batch),
        "failed_items": [[part.start, part.stop] for part in failed.failed_parts] or None,
        "partition": None if batch is None or not batch.partition else dict(batch.partition),
        "tries": [_try_fields(one) for one in failed.tries],
    }


def _items(batch: MiniBatch | None) -> list[str | Mapping[str, object]] | None:
    """URIs of files, or the pieces of a table; None when the plan cannot be read."""
    if batch is None:
        return None
    pieces = [{"uri": p.uri, "start": p.start, "stop": p.stop, "cut": p.cut.value} for p in batch.pieces]
    return [*batch.files, *pieces]


def _try_fields(one: FailedTry) -> dict[str, object]:
    return {
        "round": one.round,
        "attempt": one.attempt + 1,
        "part": None if one.part is None else [one.part.start, one.part.stop],
        "status": one.status.value,
        "node": one.node,
        "process": one.process,
        "started": one.started,
        "seconds": one.seconds,
        "cause": one.cause.value,
        "message": redact(one.message),
        "kind": one.kind,
    }
