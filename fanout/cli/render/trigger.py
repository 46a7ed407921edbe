"""How a trigger stands, for people and for programs: what it watches, who tells it, and what could not be started."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from fanout.advice import advised
from fanout.cli.render.output import Paint
from fanout.cli.render.watch import how_many, what_is_watched
from fanout.formatting import many, moment, number, printable
from fanout.pipeline.model import Trigger
from fanout.security.redaction import redact
from fanout.triggers.records import Letter
from fanout.triggers.sources.bucket_setup import BucketState

MOST_SHOWN = 20


def trigger_lines(
    trigger: Trigger,
    standing: BucketState | None,
    starts: int,
    letters: Sequence[Letter],
    paint: Paint,
    file: str = "PIPELINE",
) -> Iterator[str]:
    """`standing` is None for a folder, which needs no notification; `file` is the pipeline file, for commands."""
    yield f"{paint.strong(trigger.name)}: {what_is_watched(trigger)}, {how_many(trigger)}"
    if standing is not None:
        yield f"  notification  {_notification(standing, paint, file)}"
        if standing.inbox is not None:
            yield f"  queue         {many(standing.inbox.total, 'message')}, {number(standing.inbox.held)} of them held"
        if standing.dead is not None and standing.dead.total:
            yield f"  dead letters  {paint.warning(many(standing.dead.total, 'message'))} in the dead-letter queue"
    yield f"  runs          {many(starts, 'run')} not over"
    yield from _letter_lines(letters, paint, file)


def trigger_fields(
    trigger: Trigger, standing: BucketState | None, starts: int, letters: Sequence[Letter]
) -> Mapping[str, object]:
    """The same as one JSON object."""
    return {
        "trigger": trigger.name,
        "watched": f"{trigger.root}/{trigger.prefix}*{trigger.suffix}",
        "input": trigger.input,
        "batch": None if trigger.batch is None else asdict(trigger.batch),
        "notification": None if standing is None or standing.there is None else asdict(standing.there),
        "is_set": None if standing is None else standing.is_set,
        "queue": None if standing is None or standing.inbox is None else asdict(standing.inbox),
        "dead_letter_queue": None if standing is None or standing.dead is None else asdict(standing.dead),
        "runs_not_over": starts,
        "unstarted": [
            {
                "name": letter.name,
                "reason": redact(letter.reason),
                "at": letter.at,
                "gone": letter.gone,
                "objects": [event.uri for event in letter.events],
            }
            for letter in letters
        ],
    }


def _notification(standing: BucketState, paint: Paint, file: str) -> str:
    if standing.is_set and standing.there is not None:
        return f"set: sends to {standing.there.queue}"
    if standing.there is None:
        return paint.warning(f"not set; `{advised().trigger('set', file)}` does")
    there = f"{standing.there.prefix}*{standing.there.suffix}, {standing.there.queue}"
    return paint.warning(
        f"not as in the pipeline file ({printable(there)}); `{advised().trigger('set', file)}` mends it"
    )


def _letter_lines(letters: Sequence[Letter], paint: Paint, file: str) -> Iterator[str]:
    failed = [letter for letter in letters if not letter.gone]
    gone = len(letters) - len(failed)
    if gone:
        yield f"  gone          {many(gone, 'start')} whose objects were replaced or removed before"
    if failed:
        yield paint.bad(
            f"  given up      {many(len(failed), 'start')}; `{advised().watch(file, retry=True)}` tries them again"
        )
    for letter in failed[:MOST_SHOWN]:
        what = ", ".join(printable(event.key) for event in letter.events[:3]) or letter.name
        yield f"    {moment(letter.at)}  {what}: {printable(letter.reason)}"
    if len(failed) > MOST_SHOWN:
        yield f"    and {number(len(failed) - MOST_SHOWN)} more; --json has all"
