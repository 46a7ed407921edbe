"""A run that goes on with changed code: what uses it, what stays, and what two at once or a killed one leave."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fanout.errors import InputError, RunError
from fanout.node.serve import load_step
from fanout.pipeline.model import CommandStep, EntryTask, Output, Pipeline
from fanout.queries.status import read_status
from fanout.records.code_change import code_changes
from fanout.records.run import RunRecord, load_record
from fanout.records.seal import read_seal
from fanout.scheduler.cancel import cancel
from fanout.scheduler.resident import resume, start
from fanout.scheduler.restart import new_code
from fanout.scheduler.restart.redrive import RedriveOrder, redrive
from fanout.storage import keys
from fanout.storage.keys import StepRound

ROWS = [f"row of {index}" for index in range(12)]
AT = StepRound("r", "score")


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A code folder with one script."""
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / "score.py").write_text("def run(mini_batch): return mini_batch\n")
    return folder


@pytest.fixture
def made(score: Any, pipeline: Any, code: Path) -> Pipeline:
    """A pipeline of one parallel step with that code."""
    found: Pipeline = pipeline(score(task=EntryTask("score.py", code=str(code), append_row_to="rows")))
    return found


def _edit(code: Path, text: str = "edited") -> None:
    (code / "score.py").write_text(f"def run(mini_batch): return mini_batch  # {text}\n")


@pytest.fixture
def stopped(world: Any, notes: Any, made: Pipeline) -> Callable[[], Any]:
    """A run of it that is stopped when four mini-batches are done and the fifth hangs."""

    async def stop() -> None:
        hangs = asyncio.Event()

        async def answer(index: int) -> None:
            if len(world.engine.answered) > 4:
                hangs.set()
                await asyncio.Event().wait()

        world.engine.answer = answer
        running = asyncio.create_task(start(made, world.context, notes, "r"))
        await hangs.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        world.engine.answer = None
        world.engine.answered.clear()
        notes.said.clear()

    return stop


async def _code_of_a_node(world: Any) -> str | None:
    """The digest of the code that a node has which starts now."""
    return (await load_step(world.store, AT)).code


async def test_what_starts_from_now_on_has_the_new_code(
    world: Any, notes: Any, stopped: Any, code: Path, tmp_path: Path
) -> None:
    """Results of before stay; it is said which files have changed; a plain resume afterwards keeps the new code."""
    await stopped()
    before = await _code_of_a_node(world)
    _edit(code)
    report = await resume("r", world.context, notes, new_code=True)
    assert report.verdict.completed, report.verdict.reason
    assert (tmp_path / "rows.txt").read_text().splitlines() == ROWS
    assert len(world.engine.answered) < 12, "what had succeeded ran again"
    assert notes.said[0] == "run r resumed: score"
    assert "results so far stay; changed: score.py" in notes.said[1]
    after = await _code_of_a_node(world)
    assert after not in (before, None)
    assert (await load_record(world.store, "r")).code == {"score": after}
    status = await read_status(world.store, await load_record(world.store, "r"), world.context.settings)
    assert [(dict(change.code), dict(change.files)) for change in status.code_changes] == [
        ({"score": after}, {"score": ("score.py",)})
    ]


async def test_code_that_has_not_changed_changes_nothing(world: Any, notes: Any, stopped: Any) -> None:
    """And that is said."""
    await stopped()
    assert (await resume("r", world.context, notes, new_code=True)).verdict.completed
    assert "notice the code has not changed since it was last taken" in notes.said
    assert await code_changes(world.store, "r") == ()


async def test_it_can_be_changed_more_than_once(world: Any, stopped: Any, code: Path) -> None:
    """Each change has a number; the last one counts."""
    await stopped()
    for number in (1, 2, 3):
        _edit(code, f"number {number}")
        record, _ = await new_code.take_new_code(await load_record(world.store, "r"), world.context)
        assert record.code_changes == number
    assert await load_record(world.store, "r") == record
    assert await _code_of_a_node(world) == record.code["score"]


async def test_of_two_at_once_one_wins_and_the_other_says_so(world: Any, stopped: Any, code: Path) -> None:
    """Whichever it is; with the same code neither is wrong."""
    await stopped()
    before = await load_record(world.store, "r")
    _edit(code, "mine")
    mine, _ = await new_code.take_new_code(before, world.context)
    same, said = await new_code.take_new_code(before, world.context)
    assert (same, len(said)) == (mine, 1)
    _edit(code, "yours")
    with pytest.raises(RunError, match=r"other code in the same moment.* fanout resume r --new-code"):
        await new_code.take_new_code(before, world.context)
    assert await _code_of_a_node(world) == mine.code["score"]
    yours, _ = await new_code.take_new_code(await load_record(world.store, "r"), world.context)
    assert yours.code != mine.code, "what it says mends it"


@pytest.mark.parametrize("call", ["store_snapshots", "change_code"])
@pytest.mark.parametrize("done", [False, True])
async def test_killed_at_every_write_it_has_the_old_code_or_the_new(
    world: Any, notes: Any, stopped: Any, code: Path, monkeypatch: pytest.MonkeyPatch, call: str, done: bool
) -> None:
    """Right before and right after each of the two writes; a plain resume ends the run with what was noted."""

    class KilledError(BaseException):
        pass

    await stopped()
    before = await _code_of_a_node(world)
    _edit(code)
    real = getattr(new_code, call)

    async def dies(*arguments: Any) -> None:
        if done:
            await real(*arguments)
        raise KilledError

    with monkeypatch.context() as patched, pytest.raises(KilledError):
        patched.setattr(new_code, call, dies)
        await resume("r", world.context, notes, new_code=True)
    assert (await _code_of_a_node(world) != before) is (call == "change_code" and done)
    assert (await resume("r", world.context, notes)).verdict.completed
    assert sorted((world.folder / "rows.txt").read_text().splitlines()) == sorted(ROWS)


async def test_a_folder_that_is_gone_changes_nothing(world: Any, notes: Any, stopped: Any, code: Path) -> None:
    """It is an error, and the run can be resumed as it was."""
    await stopped()
    code.rename(code.with_name("elsewhere"))
    with pytest.raises(InputError, match="the code folder is not there"):
        await resume("r", world.context, notes, new_code=True)
    assert (await resume("r", world.context, notes)).verdict.completed


async def test_a_command_that_has_not_ended_runs_with_the_new_code(
    world: Any, notes: Any, pipeline: Any, code: Path
) -> None:
    """A run that was stopped while its command ran."""
    step = CommandStep(name="a", command="cat score.py > ${{outputs.o}}/seen", code=str(code), outputs={"o": Output()})
    made = pipeline(step)
    (code / "score.py").write_text("old")
    await start(made, world.context, notes, "r")
    for key in (keys.verdict(StepRound("r", "a")), keys.run_verdict("r")):
        (world.folder / "store" / key).unlink()
    (code / "score.py").write_text("new")
    report = await resume("r", world.context, notes, new_code=True)
    assert report.verdict.completed, report.verdict.reason
    assert (world.folder / "store/runs/r/a/outputs/o/seen").read_text() == "new"


async def test_a_run_that_is_over_is_not_said_to_go_on(world: Any, notes: Any, stopped: Any, code: Path) -> None:
    """A canceled run is shown as it ended; new code is refused, with the command that takes it."""
    await stopped()
    await cancel("r", world.context)
    report = await resume("r", world.context, notes)
    assert notes.said[0] == "run r is over (Canceled); nothing is run again: score"
    assert not report.verdict.completed
    assert world.engine.answered == []
    with pytest.raises(RunError, match=r"is over .* fanout redrive r --new-code"):
        await resume("r", world.context, notes, new_code=True)
    _edit(code)
    assert (await redrive("r", RedriveOrder(new_code=True), world.context, notes)).verdict.completed


async def test_a_canceled_run_without_a_verdict_is_brought_to_its_end(world: Any, notes: Any, stopped: Any) -> None:
    """Whoever canceled it was killed before it was sealed."""
    await stopped()
    (world.folder / "store/runs/r/cancel.json").write_text(json.dumps({"by": "me", "host": "here", "at": 1.0}))
    await resume("r", world.context, notes)
    assert notes.said[0].startswith("run r was canceled and is being ended (me on here canceled the run)")
    assert world.engine.answered == []


@pytest.mark.parametrize("new", [False, True])
async def test_a_stopped_run_can_be_redriven(
    world: Any, notes: Any, stopped: Any, code: Path, tmp_path: Path, new: bool
) -> None:
    """Its round is ended first; what succeeded stays, the rest is done in the next round, with either code."""
    await stopped()
    before = await _code_of_a_node(world)
    _edit(code)
    report = await redrive("r", RedriveOrder(new_code=new), world.context, notes)
    assert report.verdict.completed, report.verdict.reason
    assert (tmp_path / "rows.txt").read_text().splitlines() == ROWS
    assert len(world.engine.answered) < 12, "what had succeeded ran again"
    record = await load_record(world.store, "r")
    assert (record.round, record.code["score"] != before) == (2, new)
    first = await read_seal(world.store, keys.run_verdict("r", 1))
    assert first is not None


async def test_a_redrive_keeps_what_a_resume_has_brought(world: Any, notes: Any, stopped: Any, code: Path) -> None:
    """The rounds after it have the new code, and changes of former rounds do not undo newer code."""
    await stopped()
    _edit(code, "first")
    brought, _ = await new_code.take_new_code(await load_record(world.store, "r"), world.context)
    await redrive("r", RedriveOrder(), world.context, notes)
    record: RunRecord = await load_record(world.store, "r")
    assert (record.round, record.code) == (2, brought.code)
    assert (await load_step(world.store, record.at("score"))).code == brought.code["score"]


async def test_results_of_two_codes_are_not_reused(
    world: Any, notes: Any, made: Pipeline, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A supervisor that does not know of the change does not note its step as made from the old code."""
    from dataclasses import replace

    changed = False

    async def answer(index: int) -> None:
        nonlocal changed
        if not changed:
            changed = True
            _edit(code)
            await new_code.take_new_code(await load_record(world.store, "r"), world.context)

    world.engine.answer = answer
    assert (await start(replace(made, force_rerun=False), world.context, notes, "r")).verdict.completed
    assert not list((world.folder / "store").glob("reuse/*"))
