"""The runs of a store, newest first: what `fanout list` shows. Pure."""

from collections.abc import Iterator, Sequence

from fanout.cli.render.output import Paint
from fanout.cli.render.run.conclusion import paint_verdict
from fanout.formatting import duration, many, moment
from fanout.queries.runs import ListedRun
from fanout.records.seal import Seal
from fanout.records.verdict import verdict_words


def list_lines(runs: Sequence[ListedRun], paint: Paint) -> Iterator[str]:
    """One line a run: name, when, verdict, steps."""
    width = max((len(run.record.name) for run in runs), default=0)
    for run in runs:
        steps = ", ".join(step.name for step in run.record.pipeline.steps)
        count = many(len(run.record.pipeline.steps), "step")
        yield f"{run.record.name:<{width}}  {moment(run.record.created)}  {_verdict(run.seal, paint)}  {count}: {steps}"


def list_fields(runs: Sequence[ListedRun]) -> list[dict[str, object]]:
    """The runs for programs; the names of the fields stay."""
    return [
        {
            "run": run.record.name,
            "created": run.record.created,
            "status": None if run.seal is None else run.seal.verdict.status.value,
            "reason": None if run.seal is None else run.seal.verdict.reason,
            "with_failures": run.seal is not None and run.seal.verdict.completed and run.seal.counts.has_failures,
            "seconds": None if run.seal is None else run.seal.seconds,
            "steps": [step.name for step in run.record.pipeline.steps],
        }
        for run in runs
    ]


def _verdict(seal: Seal | None, paint: Paint) -> str:
    width = len("Completed 00 min 00 s")
    if seal is None:
        return paint.warning("not ended") + " " * (width - len("not ended"))
    took = duration(seal.seconds)
    words = verdict_words(seal.verdict, seal.counts)
    return f"{paint_verdict(seal.verdict, paint, seal.counts)} {took}" + " " * (width - len(words) - 1 - len(took))
