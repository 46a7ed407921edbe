"""What hears of a run besides the view, and what happens when it cannot."""

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fanout.records.verdict import Counts
from fanout.results.codec import Cause, Failure, Status
from fanout.results.failed_attempt import FailedAttempt
from fanout.scheduler.resident import start
from fanout.supervision.progress import Progress
from fanout.telemetry import webhook
from fanout.telemetry.notices import Notice, NoticeEvent, first_failure
from fanout.telemetry.notifier import Notifier
from fanout.telemetry.observers import heard
from fanout.telemetry.webhook import send

SECRET = "AKIA" + "ABCDEFGHIJKLMNOP"


async def carry_out(world: Any, notes: Any, pipeline: Any, environ: dict[str, str], **settings: Any) -> Any:
    """A run that is heard as the settings and the environment say."""
    context = replace(world.context, settings=replace(world.context.settings, **settings))
    async with heard(notes, context.settings, context, environ) as observer:
        return await start(pipeline, context, observer, "r")


async def test_without_settings_there_is_the_view_alone(world: Any, notes: Any) -> None:
    """Nothing stands between the scheduler and the view."""
    async with heard(notes, world.context.settings, world.context, {}) as observer:
        assert observer is notes


async def test_a_webhook_hears_of_the_end(world: Any, notes: Any, score: Any, pipeline: Any, receiver: Any) -> None:
    """One notice, with a sentence for people and fields for programs."""
    await carry_out(world, notes, pipeline(score()), {}, notify=f"{receiver.url}/hook?token=x")
    [(path, body)] = receiver.got
    fields = json.loads(body)
    assert path == "/hook?token=x"
    assert (fields["event"], fields["run"], fields["status"]) == ("run_ended", "r", "Completed")
    assert fields["text"].startswith("run r: Completed in ")
    assert fields["steps"][0]["step"] == "score"


async def test_a_first_failure_is_sent_once(
    world: Any, notes: Any, score: Any, pipeline: Any, receiver: Any, failure: Failure
) -> None:
    """Then the end; with notify_on = "failed" an end without failures is not sent."""

    async def fails(index: int) -> Failure | None:
        return failure if index < 3 else None

    world.engine.answer = fails
    made = pipeline(score())
    await carry_out(world, notes, made, {}, notify=receiver.url, notify_on="failed")
    events = [json.loads(body)["event"] for _, body in receiver.got]
    assert events in (["first_failure", "run_ended"], ["first_failure"])
    assert "ValueError: no" in receiver.got[0][1].decode()


async def test_a_good_end_is_no_news_where_only_failures_are(
    world: Any, notes: Any, score: Any, pipeline: Any, receiver: Any
) -> None:
    """notify_on = "failed"."""
    await carry_out(world, notes, pipeline(score()), {}, notify=receiver.url, notify_on="failed")
    assert receiver.got == []


async def test_a_webhook_that_refuses_changes_nothing(
    world: Any, notes: Any, score: Any, pipeline: Any, receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run completes, and the host, not the URL, is named in a line."""
    monkeypatch.setattr(webhook, "PAUSES", (0.01, 0.01))
    receiver.answers = [500, 503, 500]
    report = await carry_out(world, notes, pipeline(score()), {}, notify=f"{receiver.url}/secret-path")
    assert report.verdict.completed
    [said] = [line for line in notes.said if "could not be sent" in line]
    assert said == "notice the notice could not be sent to 127.0.0.1: HTTP 500"
    assert len(receiver.got) == 3


def test_some_answers_are_worth_another_try(receiver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trouble of the server is; a refusal, or a way to another host, is not."""
    monkeypatch.setattr(webhook, "PAUSES", (0.01, 0.01))
    notice = Notice(NoticeEvent.ENDED, "r", "Completed", "t")
    for answers, tries, why in (
        ([503], 2, None),
        ([404], 1, "the notice could not be sent to 127.0.0.1: HTTP 404"),
        ([302], 1, "the notice could not be sent to 127.0.0.1: HTTP 302"),
    ):
        receiver.got.clear()
        receiver.answers = list(answers)
        assert send(receiver.url, notice) == why
        assert len(receiver.got) == tries
    assert "could not be sent to localhost" in str(send("http://localhost:9/secret", notice))


def test_notices_hold_no_secret_and_are_short() -> None:
    """Whatever a script has put into its error."""
    notice = first_failure("r", "s", 1, f"{SECRET} \x1b[31m" + "x" * 10_000)
    assert SECRET not in json.dumps(notice.fields())
    assert "\x1b" not in notice.text
    assert len(notice.text) < 600


def test_the_end_of_a_run_does_not_wait_for_a_webhook_that_hangs(
    run_report: Any, step_report: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is late is said."""
    from fanout.telemetry import notifier

    monkeypatch.setattr(notifier, "WAITS_FOR", 0.05)
    said: list[str] = []
    hang = threading.Event()
    hung = Notifier(lambda _: str(hang.wait(30)), said.append)
    hung.run_ended(run_report(step_report()))
    hung.close()
    hang.set()
    assert said == ["a notice was not sent within 0.05 s"]


def test_failures_that_are_tried_again_are_no_news() -> None:
    """Only what has failed for good is."""
    sent: list[Notice] = []
    notifier = Notifier(lambda notice: sent.append(notice), lambda _: None)  # type: ignore[func-returns-value]
    retried = FailedAttempt(1, 0, Status.RETRIED, "p", 0, Failure(Cause.EXCEPTION, "again"))
    notifier.step_progress(Progress("s", Counts(5, retried=1), 5, 1.0, failures=(retried,)))
    notifier.close()
    assert sent == []


async def test_the_summary_of_a_job_on_github(
    world: Any, notes: Any, score: Any, pipeline: Any, tmp_path: Path
) -> None:
    """Is added to, as Markdown in which no text of the run is markup."""
    path = tmp_path / "summary.md"
    path.write_text("before\n")
    await carry_out(world, notes, pipeline(score()), {"GITHUB_STEP_SUMMARY": str(path)})
    text = path.read_text()
    assert text.startswith("before\n### ✅ fanout: r Completed in ")
    assert "| score | Completed | 12 | 0 | 0 | " in text


async def test_an_observer_that_fails_hears_no_more(
    world: Any, notes: Any, score: Any, pipeline: Any, tmp_path: Path
) -> None:
    """The run goes on, and it is said once."""
    environ = {"GITHUB_STEP_SUMMARY": str(tmp_path / "missing" / "x")}
    report = await carry_out(world, notes, pipeline(score()), environ)
    assert report.verdict.completed
    assert len([line for line in notes.said if "cannot be written" in line]) == 1
