"""The story of a run: steps in the order of their data, what a failed one means for others, and one verdict."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fanout.errors import RunError
from fanout.pipeline.model import CommandStep, DataType, Output, StepOutput
from fanout.records.seal import read_seal
from fanout.records.verdict import Verdict, VerdictStatus
from fanout.scheduler.resident import resume, start
from fanout.storage import keys
from fanout.storage.datastores import Datastores

COMPLETED, FAILED, CANCELED = VerdictStatus.COMPLETED, VerdictStatus.FAILED, VerdictStatus.CANCELED


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., CommandStep]:
    """A command step that notes in `marks` that it ran, and then does this, with the outputs of these steps at hand."""
    (tmp_path / "marks").mkdir()

    def make(name: str, *reads: str, then: str = "true", **settings: Any) -> CommandStep:
        text = (
            f"touch '{tmp_path}/marks/{name}-'$$; {then}; status=$?; echo {name} > ${{{{outputs.o}}}}/who; exit $status"
        )
        inputs = {step: StepOutput(step, "o", DataType.URI_FOLDER) for step in reads}
        return CommandStep(name=name, command=text, inputs=inputs, outputs={"o": Output()}, **settings)

    return make


@pytest.fixture
def ran(tmp_path: Path) -> Callable[[], list[str]]:
    """Names of the steps that ran, one for each time, sorted."""
    return lambda: sorted(mark.name.partition("-")[0] for mark in (tmp_path / "marks").iterdir())


async def test_data_goes_from_step_to_step(world: Any, notes: Any, pipeline: Any, command: Any) -> None:
    """A step starts when those it reads have completed, and finds their outputs; all of them completed."""
    last = command("c", "a", "b", then="cat ${{inputs.a}}/who ${{inputs.b}}/who > ${{outputs.o}}/both")
    report = await start(pipeline(last, command("b", "a"), command("a")), world.context, notes, "r")
    assert report.verdict == Verdict(COMPLETED, "all 3 steps completed")
    assert [step.step.name for step in report.steps] == ["c", "b", "a"], "in the order of the file"
    assert [line for line in notes.said if line.endswith("started")] == ["a started", "b started", "c started"]
    assert (world.folder / "store/runs/r/c/outputs/o/both").read_text() == "a\nb\n"


async def test_independent_steps_run_at_the_same_time(world: Any, notes: Any, pipeline: Any, command: Any) -> None:
    """Each of two waits for the other to have started."""
    marks = f"{world.folder}/marks"
    a, b = (
        command(mine, then=f"until ls '{marks}' | grep -q '^{other}-'; do sleep 0.01; done", timeout=20.0)
        for mine, other in ("ab", "ba")
    )
    report = await start(pipeline(a, b), world.context, notes, "r")
    assert report.verdict.completed, report.verdict.reason


async def test_order_without_data(world: Any, notes: Any, pipeline: Any, command: Any) -> None:
    """depends_on makes a step wait for another whose data it does not read."""
    await start(pipeline(command("b", depends_on=("a",)), command("a")), world.context, notes, "r")
    assert notes.said[1:5] == ["a started", "a Completed", "b started", "b Completed"]


async def test_steps_behind_a_failed_one_are_skipped(
    world: Any, notes: Any, pipeline: Any, command: Any, ran: Any
) -> None:
    """And those behind them; independent ones go on; the verdict is that of the failed one."""
    steps = (command("a", then="false"), command("b", "a"), command("c", "b"), command("d"))
    report = await start(pipeline(*steps), world.context, notes, "r")
    assert report.verdict == Verdict(FAILED, "step a: the command ended with exit code 1")
    assert ran() == ["a", "d"]
    assert "b skipped: step a did not complete" in notes.said
    assert "c skipped: step b did not complete" in notes.said
    assert [step.step.name for step in report.steps] == ["a", "d"]


async def test_a_failed_command_shows_its_last_words(world: Any, notes: Any, pipeline: Any, command: Any) -> None:
    """And no outputs, since it has none."""
    await start(pipeline(command("a", then="echo oh no; false")), world.context, notes, "r")
    [report] = notes.reports
    assert (report.error, report.outputs) == ("oh no\n", {})


async def test_nothing_new_starts_where_one_failure_is_too_many(
    world: Any, notes: Any, pipeline: Any, command: Any, ran: Any
) -> None:
    """continue_on_step_failure: false keeps independent steps that have not started from starting."""
    until_b_runs = f"until ls '{world.folder}/marks' | grep -q '^b-'; do sleep 0.01; done"
    until_a_has_failed = f"until test -e '{world.folder}/store/runs/r/cancel.json'; do sleep 0.01; done"
    steps = (command("a", then=f"{until_b_runs}; false"), command("b", then=until_a_has_failed), command("c", "b"))
    report = await start(pipeline(*steps, continue_on_step_failure=False), world.context, notes, "r")
    assert report.verdict == Verdict(FAILED, "step a: the command ended with exit code 1")
    assert ran() == ["a", "b"]
    why = ("step a failed, and continue_on_step_failure is false", "step b did not complete")
    assert {f"c skipped: {reason}" for reason in why} & set(notes.said)


async def test_one_failure_too_many_ends_what_runs(
    world: Any, notes: Any, pipeline: Any, command: Any, ran: Any
) -> None:
    """continue_on_step_failure: false; the run has failed, by the step that did, also for whoever resumes it."""
    until_b_runs = f"until ls '{world.folder}/marks' | grep -q '^b-'; do sleep 0.01; done"
    steps = (command("a", then=f"{until_b_runs}; false"), command("b", then="sleep 1000"), command("c", "b"))
    made = pipeline(*steps, continue_on_step_failure=False)
    report = await start(made, world.context, notes, "r")
    assert report.verdict == Verdict(FAILED, "step a: the command ended with exit code 1")
    why = "step a failed, and continue_on_step_failure is false"
    assert [step.seal.verdict for step in report.steps][1] == Verdict(CANCELED, why)
    assert "c skipped: step b did not complete" in notes.said
    assert (await resume("r", world.context, notes)).verdict == report.verdict
    assert ran() == ["a", "b"]


async def test_a_run_goes_on_where_it_was_stopped(
    world: Any, notes: Any, pipeline: Any, command: Any, ran: Any
) -> None:
    """What had ended is not run again; what was cut is; then the rest follows."""
    steps = (command("a"), command("b", "a", then=f"test -e '{world.folder}/go' || sleep 1000"), command("c", "b"))
    task = asyncio.create_task(start(pipeline(*steps), world.context, notes, "r"))
    async with asyncio.timeout(20):
        while "b" not in ran():  # noqa: ASYNC110 - the command tells nobody
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await read_seal(world.store, keys.run_verdict("r")) is None
    (world.folder / "go").touch()
    notes.said.clear()
    report = await resume("r", world.context, notes)
    assert report.verdict.completed
    assert ran() == ["a", "b", "b", "c"]
    assert notes.said[:3] == ["run r resumed: a, b, c", "a Completed earlier", "b started"]
    sealed = await read_seal(world.store, keys.run_verdict("r"))
    assert sealed is not None
    assert sealed.verdict == report.verdict


async def test_a_failed_run_stays_failed(world: Any, notes: Any, pipeline: Any, command: Any, ran: Any) -> None:
    """A sealed step is not tried again by resuming (promise I4)."""
    first = await start(pipeline(command("a", then=f"test -e '{world.folder}/go'")), world.context, notes, "r")
    (world.folder / "go").touch()
    again = await resume("r", world.context, notes)
    assert (again.verdict, ran()) == (first.verdict, ["a"])


async def test_a_name_is_the_options_then_the_files_then_made_up(
    world: Any, notes: Any, pipeline: Any, command: Any
) -> None:
    """And each names one run."""
    made = pipeline(command("a"), name="ours")
    assert (await start(made, world.context, notes, "mine")).run == "mine"
    assert (await start(made, world.context, notes)).run == "ours"
    assert (await start(replace(made, name=None), world.context, notes)).run.count("_") == 2
    before = world.keys("runs")
    with pytest.raises(RunError, match="there is a run named ours already"):
        await start(made, world.context, notes)
    with pytest.raises(RunError, match="cannot name a run"):
        await start(made, world.context, notes, "../x")
    assert world.keys("runs") == before


async def test_only_runs_that_exist_are_resumed(world: Any, notes: Any) -> None:
    """Nobody is told of a run that is not there."""
    with pytest.raises(RunError, match="no run named nobody"):
        await resume("nobody", world.context, notes)
    assert notes.said == []


async def test_code_is_stored_once_without_the_store_in_it(world: Any, notes: Any, pipeline: Any, command: Any) -> None:
    """Steps with one code folder share its snapshot, as does the next run; the store inside the folder is no code."""
    (world.folder / "helper.sh").write_text("echo helped > $1/helped")
    steps = [command(name, code=str(world.folder), then="sh helper.sh ${{outputs.o}}; ls") for name in "ab"]
    for run in ("first", "second"):
        report = await start(pipeline(*steps), world.context, notes, run)
        assert report.verdict.completed, report.verdict.reason
        assert (world.folder / f"store/runs/{run}/b/outputs/o/helped").exists()
        (world.folder / "marks").rename(world.folder / "store" / f"marks-{run}")
        (world.folder / "marks").mkdir()
    assert len(world.keys("code")) == 1
    log = (world.folder / "store/runs/first/a/logs/user_logs/std_log.txt").read_text().split()
    assert log == ["helper.sh", "logs", "outputs"]


async def test_a_run_keeps_the_datastores_it_began_with(world: Any, notes: Any, pipeline: Any, command: Any) -> None:
    """Wherever it is resumed: its outputs are in one place."""
    tell = "printenv FANOUT_DATASTORES > ${{outputs.o}}/known"
    step = replace(command("a", then=tell), outputs={"o": Output(uri="azureml://datastores/lake/paths/x")})
    here = replace(world.context.settings, datastores={"lake": f"file://{world.folder}/lake"})
    await start(pipeline(step), replace(world.context, settings=here), notes, "r")
    there = replace(world.context.settings, datastores={"lake": "file:///elsewhere"})
    report = await resume("r", replace(world.context, settings=there), notes)
    assert report.steps[0].outputs == {"o": f"file://{world.folder}/lake/x"}
    assert (world.folder / "lake/x/who").read_text() == "a\n"
    known = Datastores.from_environ({"FANOUT_DATASTORES": (world.folder / "lake/x/known").read_text()})
    assert known.uri("lake", "x") == f"file://{world.folder}/lake/x"


async def test_notices_of_the_file_are_passed_on(world: Any, notes: Any, pipeline: Any, command: Any) -> None:
    """Once, before the first step."""
    await start(pipeline(command("a"), notices=("docker is not used",)), world.context, notes, "r")
    assert notes.said[:3] == ["run r started: a", "notice docker is not used", "a started"]


async def test_a_command_feeds_a_parallel_step(world: Any, notes: Any, pipeline: Any, command: Any, score: Any) -> None:
    """What the command wrote is what is divided; the parallel step's output goes on to the next command."""
    first = command("a", then="touch ${{outputs.o}}/x ${{outputs.o}}/y")
    middle = score(inputs={"files": StepOutput("a", "o", DataType.URI_FOLDER)})
    last = CommandStep(
        name="c",
        command="wc -l < ${{inputs.rows}} > ${{outputs.n}}/lines",
        inputs={"rows": StepOutput("score", "rows", DataType.URI_FILE)},
        outputs={"n": Output()},
    )
    report = await start(pipeline(first, middle, last), world.context, notes, "r")
    assert report.verdict.completed, report.verdict.reason
    assert (world.folder / "store/runs/r/c/outputs/n/lines").read_text().strip() == "3"
