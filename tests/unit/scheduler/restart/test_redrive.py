"""A redrive: only what did not succeed runs again, and the output holds old and new rows, each once."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fanout.errors import InputError, RunError
from fanout.pipeline.model import CommandStep, DataType, EntryTask, Output, StepOutput, Thresholds
from fanout.records.run import load_record
from fanout.records.seal import read_seal
from fanout.records.verdict import VerdictStatus
from fanout.results.codec import Failure
from fanout.scheduler.cancel import cancel
from fanout.scheduler.resident import resume, start
from fanout.scheduler.restart.redrive import RedriveOrder, redrive
from fanout.scheduler.restart.redrive_rules import Choice
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import read

ROWS = [f"row of {index}" for index in range(12)]
EVERYTHING = RedriveOrder()
STRICT = {"thresholds": Thresholds(mini_batch_error_threshold=0)}
PATIENT = {"thresholds": Thresholds(mini_batch_error_threshold=12)}

Answer = Callable[[int], Any]


@pytest.fixture
def failing(failure: Failure) -> Callable[..., Answer]:
    """What a script comes to that fails these mini-batches."""

    def make(*indexes: int) -> Answer:
        async def answer(index: int) -> Failure | None:
            return failure if index in indexes else None

        return answer

    return make


def _rows(folder: Path) -> list[str]:
    return (folder / "rows.txt").read_text().splitlines()


async def _began(world: Any, answer: Answer, made: Any, notes: Any) -> None:
    world.engine.answer = answer
    await start(made, world.context, notes, "r")
    world.engine.answer = None
    world.engine.answered.clear()
    notes.said.clear()


async def test_only_what_failed_runs_again(
    world: Any, notes: Any, score: Any, pipeline: Any, failing: Any, tmp_path: Path
) -> None:
    """The rows of before and of now, in order, each once; the former round stays as it was."""
    await _began(world, failing(3, 7), pipeline(score(**PATIENT)), notes)
    assert _rows(tmp_path) == [row for row in ROWS if row not in ("row of 3", "row of 7")]
    before = await read(world.store, keys.verdict(StepRound("r", "score")))
    report = await redrive("r", EVERYTHING, world.context, notes)
    assert report.verdict.completed
    assert report.steps[0].seal.verdict.reason == "all 12 mini-batches succeeded"
    assert sorted(world.engine.answered) == [3, 7]
    assert _rows(tmp_path) == ROWS
    assert "notice score: 2 of 12 mini-batches are run again: 3, 7" in notes.said
    assert await read(world.store, keys.verdict(StepRound("r", "score"))) == before
    assert (await load_record(world.store, "r")).round == 2


async def test_what_a_threshold_stopped_is_finished(
    world: Any, notes: Any, score: Any, pipeline: Any, failing: Any, tmp_path: Path
) -> None:
    """A step that failed early: what failed and what never ran is done, what succeeded is not."""
    await _began(world, failing(*range(6)), pipeline(score(**STRICT)), notes)
    assert not (tmp_path / "rows.txt").exists()
    report = await redrive("r", EVERYTHING, world.context, notes)
    assert report.verdict.completed, report.verdict.reason
    assert _rows(tmp_path) == ROWS
    assert set(world.engine.answered) >= set(range(6))


async def test_a_choice_of_mini_batches(
    world: Any, notes: Any, score: Any, pipeline: Any, failing: Any, tmp_path: Path
) -> None:
    """The others stay failed, and count; chosen later they succeed too."""
    await _began(world, failing(3, 7, 9), pipeline(score(**PATIENT)), notes)
    report = await redrive("r", RedriveOrder(Choice("score", (7,))), world.context, notes)
    assert world.engine.answered == [7]
    assert report.steps[0].seal.counts.failed == 2
    assert {failed.index for failed in report.steps[0].failures} == {3, 9}
    assert _rows(tmp_path) == [row for row in ROWS if row not in ("row of 3", "row of 9")]
    report = await redrive("r", EVERYTHING, world.context, notes)
    assert sorted(world.engine.answered) == [3, 7, 9]
    assert report.steps[0].seal.counts.succeeded == 12
    assert _rows(tmp_path) == ROWS


async def test_failures_that_were_not_chosen_end_nothing_early(
    world: Any, notes: Any, score: Any, pipeline: Any, failing: Any
) -> None:
    """They exceed the threshold as before, but what was chosen runs first."""
    await _began(
        world, failing(*range(12)), pipeline(score(thresholds=Thresholds(mini_batch_error_threshold=10))), notes
    )
    left = (await read_seal(world.store, keys.verdict(StepRound("r", "score")))).counts  # type: ignore[union-attr]
    assert left.failed >= 11
    report = await redrive("r", RedriveOrder(Choice("score", (0,))), world.context, notes)
    assert world.engine.answered == [0]
    assert report.steps[0].seal.counts.succeeded == 1


async def test_twice_changes_nothing(
    world: Any, notes: Any, score: Any, pipeline: Any, failing: Any, tmp_path: Path
) -> None:
    """When all has succeeded there is nothing to run again, and no round is opened."""
    await _began(world, failing(3), pipeline(score(**PATIENT)), notes)
    await redrive("r", EVERYTHING, world.context, notes)
    report = await redrive("r", EVERYTHING, world.context, notes)
    assert report.verdict.completed
    assert "notice nothing is run again: every mini-batch has succeeded" in notes.said
    assert world.engine.answered == [3]
    assert _rows(tmp_path) == ROWS
    assert (await load_record(world.store, "r")).round == 2


async def test_failing_again_is_told_as_such(
    world: Any, notes: Any, score: Any, pipeline: Any, failing: Any, tmp_path: Path
) -> None:
    """A round that does no better leaves everything as it was, and the next may."""
    await _began(world, failing(3, 7), pipeline(score(**PATIENT)), notes)
    world.engine.answer = failing(3)
    report = await redrive("r", EVERYTHING, world.context, notes)
    assert report.steps[0].seal.counts.failed == 1
    assert _rows(tmp_path) == [row for row in ROWS if row != "row of 3"]
    world.engine.answer = None
    await redrive("r", EVERYTHING, world.context, notes)
    assert world.engine.answered.count(7) == 1
    assert _rows(tmp_path) == ROWS


async def test_steps_after_it_are_done_anew(
    world: Any, notes: Any, score: Any, pipeline: Any, failing: Any, tmp_path: Path
) -> None:
    """What was made from the former output is made again from the new one; what comes before stays."""
    count = CommandStep(
        name="count",
        command="wc -l < ${{inputs.rows}} > ${{outputs.o}}/lines",
        inputs={"rows": StepOutput("score", "rows", DataType.URI_FILE)},
        outputs={"o": Output()},
    )
    marks = tmp_path / "marks"
    marks.mkdir()
    before = CommandStep(name="before", command=f"mktemp -p '{marks}'")
    await _began(world, failing(3), pipeline(before, score(**PATIENT), count), notes)
    report = await redrive("r", EVERYTHING, world.context, notes)
    assert report.verdict.completed
    assert "notice count: is run again from the start, since its input data is made again" in notes.said
    assert len(list(marks.iterdir())) == 1
    [counted] = [step for step in report.steps if step.step.name == "count"]
    folder = Path(counted.outputs["o"].removeprefix("file://"))
    assert folder.joinpath("lines").read_text().strip() == "12"


async def test_a_failed_command_runs_again(world: Any, notes: Any, pipeline: Any, tmp_path: Path) -> None:
    """And steps that did not run because of it run for the first time."""
    first = CommandStep(name="first", command=f"test -e '{tmp_path}/mended'", outputs={"o": Output()})
    second = CommandStep(
        name="second", command="true", inputs={"x": StepOutput("first", "o", DataType.URI_FOLDER)}, outputs={}
    )
    report = await start(pipeline(first, second), world.context, notes, "r")
    assert not report.verdict.completed
    (tmp_path / "mended").touch()
    report = await redrive("r", EVERYTHING, world.context, notes)
    assert [step.step.name for step in report.steps] == ["first", "second"]
    assert report.verdict.completed


async def test_a_run_that_is_not_over_is_ended_first(
    world: Any, notes: Any, score: Any, pipeline: Any, tmp_path: Path
) -> None:
    """Where it still runs, too; what it has done stays. A choice of what failed has to wait for its end."""

    async def never(index: int) -> None:
        await asyncio.Event().wait()

    world.engine.answer = never
    task = asyncio.create_task(start(pipeline(score()), world.context, notes, "r"))
    while not world.engine.answered:  # noqa: ASYNC110 - no event to hear
        await asyncio.sleep(0.01)
    with pytest.raises(RunError, match=r"was stopped before its end.*: fanout redrive r$"):
        await redrive("r", RedriveOrder(Choice("score")), world.context, notes)
    world.engine.answer = None
    report = await redrive("r", EVERYTHING, world.with_engine(world.paper()), notes)
    assert report.verdict.completed, report.verdict.reason
    assert (await task).verdict.status is VerdictStatus.CANCELED
    assert _rows(tmp_path) == ROWS


async def test_a_canceled_run_is_finished(world: Any, notes: Any, score: Any, pipeline: Any, tmp_path: Path) -> None:
    """The cancelation was of the former round: what it kept from running runs now, what was committed stays."""

    async def slow(index: int) -> None:
        if index > 4:
            await asyncio.Event().wait()

    world.engine.answer = slow
    task = asyncio.create_task(start(pipeline(score()), world.context, notes, "r"))
    while len(world.engine.answered) < 6:  # noqa: ASYNC110 - no event to hear
        await asyncio.sleep(0.01)
    assert (await cancel("r", world.context)).canceled
    await task
    done = (await read_seal(world.store, keys.verdict(StepRound("r", "score")))).counts.succeeded  # type: ignore[union-attr]
    assert done
    world.engine.answer = None
    world.engine.answered.clear()
    report = await redrive("r", EVERYTHING, world.context, notes)
    assert report.verdict.completed, report.verdict.reason
    assert len(world.engine.answered) == 12 - done
    assert _rows(tmp_path) == ROWS


async def test_a_redrive_that_was_stopped_is_resumed(
    world: Any, notes: Any, score: Any, pipeline: Any, failing: Any, tmp_path: Path
) -> None:
    """The round is written down before anything runs; resume goes on with it, not with the run as it was."""
    await _began(world, failing(*range(8)), pipeline(score(**PATIENT)), notes)

    async def stuck(index: int) -> None:
        if index > 3:
            await asyncio.Event().wait()

    world.engine.answer = stuck
    task = asyncio.create_task(redrive("r", EVERYTHING, world.context, notes))
    while len(world.engine.answered) < 5:  # noqa: ASYNC110 - no event to hear
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    report = await resume("r", world.with_engine(world.paper()), notes)
    assert report.verdict.completed
    assert _rows(tmp_path) == ROWS


async def test_a_changed_input_is_told(
    world: Any, notes: Any, score: Any, pipeline: Any, failing: Any, tmp_path: Path
) -> None:
    """The plan stays, since its mini-batches are what failed; what differs is said."""
    await _began(world, failing(3), pipeline(score(**PATIENT)), notes)
    (tmp_path / "in" / "more.txt").touch()
    await redrive("r", EVERYTHING, world.context, notes)
    [told] = [text for text in notes.said if "input has changed" in text]
    assert "13 mini-batches today, 12 then" in told
    assert _rows(tmp_path) == ROWS


@pytest.mark.parametrize("new_code", [False, True])
async def test_changed_code_is_told(
    world: Any, notes: Any, score: Any, pipeline: Any, failing: Any, tmp_path: Path, new_code: bool
) -> None:
    """As it was, unless asked otherwise; the files that differ are named in both cases."""
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / "score.py").write_text("one")
    task = EntryTask("score.py", code=str(folder), append_row_to="rows")
    await _began(world, failing(3), pipeline(score(task=task, **PATIENT)), notes)
    before = (await load_record(world.store, "r")).code["score"]
    (folder / "score.py").write_text("two")
    (folder / "more.py").write_text("more")
    await redrive("r", RedriveOrder(new_code=new_code), world.context, notes)
    [told] = [text for text in notes.said if "more.py, score.py" in text]
    assert ("the run's own copy is used" in told) is not new_code
    record = await load_record(world.store, "r")
    assert (record.code["score"] != before) is new_code
    assert await read(world.store, keys.code(record.code["score"])) is not None


async def test_code_that_is_gone_matters_only_when_asked_for(
    world: Any, notes: Any, score: Any, pipeline: Any, failing: Any, tmp_path: Path
) -> None:
    """The run has its own copy; --new-code without a folder is an error before anything is written."""
    folder = tmp_path / "src"
    folder.mkdir()
    task = EntryTask("score.py", code=str(folder), append_row_to="rows")
    await _began(world, failing(3), pipeline(score(task=task, **PATIENT)), notes)
    folder.rmdir()
    with pytest.raises(InputError, match="src: the code folder is not there"):
        await redrive("r", RedriveOrder(new_code=True), world.context, notes)
    assert (await load_record(world.store, "r")).round == 1
    assert (await redrive("r", EVERYTHING, world.context, notes)).verdict.completed
    assert any("is not there any more" in text for text in notes.said)


async def test_two_at_once(world: Any, notes: Any, score: Any, pipeline: Any, failing: Any, tmp_path: Path) -> None:
    """One opens the round; the other says so, and touches nothing."""
    await _began(world, failing(3, 7), pipeline(score(**PATIENT)), notes)
    ended = await asyncio.gather(
        *(redrive("r", EVERYTHING, world.context, notes) for _ in range(2)), return_exceptions=True
    )
    [error] = [end for end in ended if isinstance(end, BaseException)]
    assert isinstance(error, RunError)
    assert "is being redriven already" in str(error)
    assert sorted(world.engine.answered) == [3, 7]
    assert _rows(tmp_path) == ROWS


async def test_a_step_that_could_not_be_planned_is_done_anew(
    world: Any, notes: Any, score: Any, pipeline: Any, tmp_path: Path
) -> None:
    """Its data was put right since; the rows of the later round are read where that round has left them."""
    files = sorted((tmp_path / "in").iterdir())
    for file in files:
        file.unlink()
    report = await start(pipeline(score()), world.context, notes, "r")
    assert not report.verdict.completed
    for file in files:
        file.touch()
    report = await redrive("r", EVERYTHING, world.context, notes)
    assert report.verdict.completed, report.verdict.reason
    assert _rows(tmp_path) == ROWS
    assert (await resume("r", world.context, notes)).verdict.completed
