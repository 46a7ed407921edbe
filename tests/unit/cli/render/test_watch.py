"""What a watch and a trigger show, for people and for programs."""

import io
import json
from typing import Any

import pytest

from fanout.cli.render.advised_commands import Commands
from fanout.cli.render.output import Console, Paint
from fanout.cli.render.trigger import trigger_fields, trigger_lines
from fanout.cli.render.watch import JsonWatchView, PlainWatchView
from fanout.pipeline.model import EventBatch, Trigger
from fanout.queues.base import Depth
from fanout.records.verdict import Verdict, VerdictStatus
from fanout.scheduler.observer import RunReport
from fanout.triggers.event import ObjectEvent
from fanout.triggers.records import Letter
from fanout.triggers.sources.bucket_rules import Notification
from fanout.triggers.sources.bucket_setup import BucketState
from fanout.triggers.start import StartResult, StartState

TRIGGER = Trigger("shop", "s3://uploads", "files", "in/", ".csv", EventBatch(5, 2.0))
EVENTS = tuple(ObjectEvent("s3://uploads", f"in/{n}\x1b.csv", etag="e") for n in range(5))
OURS = Notification("fanout-shop", "arn:aws:sqs:::fanout-shop", "in/", ".csv")


def _tell(view: Any) -> None:
    view.watching(TRIGGER, "queue fanout-shop", 2)
    view.arrived(StartResult(StartState.STARTED, EVENTS, "shop-5-objects-1"))
    for event in EVENTS:
        view.arrived(StartResult(StartState.IGNORED, (event,), reason="it is written by the runs themselves"))
    view.arrived(StartResult(StartState.GONE, EVENTS[:1], reason="replaced"))
    view.start_failed(3, "AccessDenied", 4.0)
    view.start_failed(3, "AccessDenied", None)
    view.run_begins("shop-5-objects-1").notice("messages were lost")
    view.run_ended(RunReport("shop-5-objects-1", Verdict(VerdictStatus.FAILED, "step a: no"), (), 2.5))
    view.stopping(1)
    view.stopped()


def test_plain_lines(manual_clock: Any) -> None:
    """A line for each thing, names that cannot harm a terminal, what is ignored told once."""
    stream = io.StringIO()
    _tell(PlainWatchView(Console(stream), Commands(), manual_clock))
    said = stream.getvalue()
    assert "watching s3://uploads/in/*.csv: one run for 5 objects, or what has come in 2.0 s" in said
    assert "in/0\ufffd.csv, in/1\ufffd.csv, in/2\ufffd.csv and 2 more: run shop-5-objects-1" in said
    assert said.count("it is written by the runs themselves") == 1
    assert "no run could be started for 3 objects: AccessDenied; tried again in 4.0 s" in said
    assert "given up: see `fanout trigger show PIPELINE`" in said
    assert "shop-5-objects-1 Failed in 2.5 s: step a: no" in said
    assert "fanout failures shop-5-objects-1" in said
    assert "\x1b" not in said


def test_json_lines(manual_clock: Any) -> None:
    """One object a line, the schema first."""
    stream = io.StringIO()
    _tell(JsonWatchView(Console(stream), manual_clock))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (lines[0]["event"], lines[0]["schema"], lines[0]["taken_up"]) == ("watch_started", 1, 2)
    assert lines[1]["objects"][0] == "s3://uploads/in/0\x1b.csv"
    assert [line["again_in"] for line in lines if line["event"] == "start_failed"] == [4.0, None]
    assert lines[-1]["event"] == "watch_stopped"
    assert all("time" in line for line in lines)


@pytest.mark.parametrize(
    ("standing", "word"),
    [
        (BucketState(OURS, OURS, Depth(3, 1, 0), Depth(0, 0, 0)), "set: sends to arn:aws:sqs:::fanout-shop"),
        (BucketState(OURS, None), "not set; `fanout trigger set PIPELINE` does"),
        (BucketState(OURS, Notification("fanout-shop", OURS.queue)), "not as in the pipeline file"),
        (None, "0 runs not over"),
    ],
)
def test_how_a_trigger_stands(standing: BucketState | None, word: str) -> None:
    """Notification, queue, runs, and what could not be started, with the way to try it again."""
    letters = [Letter("shop-a-1", "AccessDenied", 1.7e9, EVENTS[:1]), Letter("x-gone", "replaced", 1.7e9, gone=True)]
    text = "\n".join(trigger_lines(TRIGGER, standing, 0, letters, Paint()))
    assert word in text
    assert "in/0\ufffd.csv: AccessDenied" in text
    assert "`fanout watch PIPELINE --retry` tries them again" in text
    assert "1 start whose objects were replaced or removed before" in text
    fields = trigger_fields(TRIGGER, standing, 0, letters)
    assert json.loads(json.dumps(fields))["unstarted"][0]["reason"] == "AccessDenied"
