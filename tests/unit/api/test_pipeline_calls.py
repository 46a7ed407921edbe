"""Pipeline files from Python."""

import asyncio
import threading
from pathlib import Path

import pytest

import fanout
from fanout.queries.plan import PlannedStep


def test_a_run_and_all_that_it_says(pipeline: Path) -> None:
    """Status, verdict, counts, settings, outputs; the same from its name alone."""
    run = fanout.run(pipeline, overrides={"jobs.score.mini_batch_size": "3"})
    assert (run.status, run.reason, run.with_failures) == ("Completed", "completed", False)
    step = run.steps["score"]
    assert (step.kind, step.state, step.counts and step.counts.total) == ("parallel", "Completed", 2)
    assert run.output().rows() == ["0", "2", "4", "6", "8", "10"]
    assert run.output("score.rows").path == pipeline.parent / "rows.txt"
    assert repr(fanout.open_run(run.name[:9])) == f"<fanout.Run {run.name}: Completed>"
    assert [one.name for one in fanout.runs()] == [run.name]
    assert "Completed" in run._repr_html_()
    run.raise_for_status()
    with pytest.raises(KeyError, match="it has"):
        run.output("other")


def test_inputs_start_from_the_current_folder(pipeline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the pipeline file is; one that is a number stays one."""
    (pipeline.parent / "sub" / "more").mkdir(parents=True)
    (pipeline.parent / "sub" / "more" / "a.txt").write_text("21")
    monkeypatch.chdir(pipeline.parent / "sub")
    run = fanout.run(pipeline, inputs={"files": "more", "rate": 0.25}, store="runs")
    assert run.output().rows() == ["42"]
    assert run.store == (pipeline.parent / "sub" / "runs").as_uri()


def test_a_failed_run_raises_when_it_is_asked_to(pipeline: Path) -> None:
    """With the script's own traceback as the cause; then it is redriven with mended data."""
    bad = pipeline.parent / "in" / "3.txt"
    bad.write_text("no number")
    run = fanout.run(pipeline, overrides={"jobs.score.mini_batch_error_threshold": 0})
    assert run.status == "Failed"
    [failed] = run.failures()
    assert (failed.step, failed.index, failed.cause, failed.attempts) == ("score", 1, "exception", 3)
    assert failed.message == "ValueError: invalid literal for int() with base 10: 'no number'"
    assert f'{pipeline.parent}/src/score.py", line 4, in run' in failed.traceback
    with pytest.raises(
        fanout.RunFailed, match=r"ended Failed.*all failures: Run.failures\(\), or fanout failures"
    ) as caught:
        run.raise_for_status()
    assert isinstance(caught.value.__cause__, fanout.ScriptError)
    assert "ValueError: invalid literal" in str(caught.value.__cause__)
    bad.write_text("3")
    assert run.redrive([1]).status == "Completed"
    assert run.output().rows() == ["0", "2", "4", "6", "8", "10"]


async def test_under_a_running_loop(pipeline: Path) -> None:
    """As in a notebook; and its events for code that is asynchronous."""
    run = fanout.run(pipeline)
    events = [event async for event in run.aevents()]
    assert isinstance(events[0], fanout.StepStarted)
    assert isinstance(events[-1], fanout.RunEnded)
    assert await asyncio.to_thread(lambda: run.status) == "Completed"


def test_from_other_threads(pipeline: Path) -> None:
    """Two runs at once."""
    found: list[str] = []
    threads = [
        threading.Thread(
            target=lambda n=n: found.append(
                fanout.run(pipeline, overrides={"jobs.score.outputs.rows.path": f"./{n}.txt"}).status
            )
        )
        for n in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["Completed", "Completed"]


def test_a_submitted_run_goes_on_by_itself(pipeline: Path) -> None:
    """It exists at once; its end is waited for, and its events come one after the other."""
    run = fanout.submit(pipeline, name="mine")
    assert fanout.open_run("mine").name == "mine"
    kinds = [type(event).__name__ for event in run.events()]
    assert kinds[0] == "StepStarted"
    assert kinds[-2:] == ["StepEnded", "RunEnded"]
    assert run.wait(60).completed
    assert run.output().rows() == ["0", "2", "4", "6", "8", "10"]
    with pytest.raises(fanout.RunError, match="mine"):
        fanout.submit(pipeline, name="mine")


def test_waiting_has_an_end(pipeline: Path) -> None:
    """TimeoutError leaves the run as it is; canceling ends it."""
    script = pipeline.parent / "src" / "score.py"
    script.write_text("import time\ndef run(mini_batch):\n    time.sleep(600)\n")
    run = fanout.submit(pipeline)
    with pytest.raises(TimeoutError, match="it goes on"):
        run.wait(0.1)
    assert run.status == "Running"
    assert str(run.cancel().status) == "Canceled"
    assert str(run.wait(60).status) == "Canceled"


def test_what_is_wrong_is_said_before_anything_starts(pipeline: Path) -> None:
    """All problems, as errors or as a value; nothing is made."""
    pipeline.write_text(pipeline.read_text().replace("mini_batch_size", "mini_batch_siez"))
    checked = fanout.validate(pipeline)
    assert not checked
    assert checked.problems[0].place.line == 9
    for begin in (fanout.run, fanout.submit):
        with pytest.raises(fanout.SpecError, match="did you mean 'mini_batch_size'"):
            begin(pipeline)
    assert not list(fanout.runs())
    with pytest.raises(fanout.RunError, match="there are no runs here"):
        fanout.open_run("any")


def test_a_plan_is_values(pipeline: Path) -> None:
    """Counts, first mini-batches and cost."""
    [step] = fanout.plan(pipeline, show=1)
    assert isinstance(step, PlannedStep)
    assert (step.count, step.items, len(step.first)) == (3, 6, 1)
    assert fanout.validate(pipeline).valid


def test_a_process_that_dies_is_named(pipeline: Path) -> None:
    """Waiting ends with what is to be done, not never; and that works."""
    script = pipeline.parent / "src" / "score.py"
    before = script.read_text()
    flag = pipeline.parent / "go"
    script.write_text(
        "import os, time\ndef init():\n"
        f"    while not os.path.exists({str(flag)!r}):\n        time.sleep(0.05)\n" + before
    )
    run = fanout.submit(pipeline)
    assert run._background is not None
    run._background._process.kill()
    with pytest.raises(fanout.InfrastructureError, match=r"killed by signal 9; fanout.open_run.*resume\(\)"):
        run.wait(60)
    flag.touch()
    assert fanout.open_run(run.name).resume().output().rows() == ["0", "2", "4", "6", "8", "10"]
