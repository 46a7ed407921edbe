"""Taking over what an earlier step made from the same: what is taken over, what is not, and who is told."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fanout.environments import installed
from fanout.pipeline.model import (
    CommandStep,
    DataInput,
    DataType,
    EntryTask,
    MiniBatchSize,
    Output,
    Pipeline,
    StepOutput,
    Thresholds,
)
from fanout.pipeline.trigger import RUN_TOKEN
from fanout.scheduler.resident import resume, start
from fanout.scheduler.reuse import step_reuse
from fanout.storage import keys
from fanout.storage.keys import StepRound

AT = StepRound("one", "score")


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., CommandStep]:
    """A command step that notes in `marks` that it ran, and writes what the steps it reads wrote, and its name."""

    def make(name: str, *reads: str, then: str = "true", **settings: Any) -> CommandStep:
        read = "".join(f"cat ${{{{inputs.{step}}}}}/who; " for step in reads)
        text = f"echo {name} >> '{tmp_path}/marks'; ({read}echo {name}) > ${{{{outputs.o}}}}/who; {then}"
        inputs = {step: StepOutput(step, "o", DataType.URI_FOLDER) for step in reads}
        return replace(CommandStep(name=name, command=text, inputs=inputs, outputs={"o": Output()}), **settings)

    return make


@pytest.fixture
def ran(tmp_path: Path) -> Callable[[], str]:
    """Names of the commands that ran, in order, since it was last asked."""

    def since() -> str:
        marks = tmp_path / "marks"
        said = marks.read_text() if marks.exists() else ""
        marks.unlink(missing_ok=True)
        return said.replace("\n", "")

    return since


@pytest.fixture
def chain(command: Any, pipeline: Any) -> Callable[..., Pipeline]:
    """Two commands, one after the other, in a pipeline that allows reuse."""
    return lambda **settings: pipeline(command("a"), command("b", "a"), **{"force_rerun": False, **settings})


async def test_the_same_again_is_taken_over(world: Any, notes: Any, chain: Any, ran: Any) -> None:
    """Each step, with the outputs of the run that made them; it is said, and how to have it otherwise, once."""
    await start(chain(), world.context, notes, "one")
    assert ran() == "ab"
    report = await start(chain(), world.context, notes, "two")
    assert ran() == ""
    assert report.verdict.completed
    assert [step.taken_from for step in report.steps] == ["one", "one"]
    assert report.steps[1].outputs["o"].endswith("runs/one/b/outputs/o")
    assert "taken over from run one" in report.steps[0].seal.verdict.reason
    assert [line for line in notes.said if line.startswith("notice")] == [
        *[f"notice {step}: nothing is reused: no earlier run of this step is known in this store" for step in "ab"],
        "notice steps that are taken over from an earlier run are run again with --rerun, or reuse=False in Python",
    ]


async def test_an_output_whose_place_names_the_run_is_taken_over(
    world: Any, notes: Any, command: Any, pipeline: Any, ran: Any, tmp_path: Path
) -> None:
    """It stays where the earlier run has put it."""
    place = Output(uri=f"{tmp_path.as_uri()}/made/{RUN_TOKEN}/a")
    made = pipeline(replace(command("a"), outputs={"o": place}), force_rerun=False)
    await start(made, world.context, notes, "one")
    report = await start(made, world.context, notes, "two")
    assert ran() == "a"
    assert report.steps[0].outputs["o"] == f"{tmp_path.as_uri()}/made/one/a"
    assert not (tmp_path / "made" / "two").exists()


async def test_resumed_it_stays_taken_over(world: Any, notes: Any, chain: Any, ran: Any) -> None:
    """Also when the process ended between the two records of it, and when nothing could be taken over any more."""
    await start(chain(), world.context, notes, "one")
    await start(chain(), world.context, notes, "two")
    ran()
    (world.folder / "store" / keys.run_verdict("two")).unlink()
    (world.folder / "store" / keys.verdict(StepRound("two", "b"))).unlink()
    for noted in (world.folder / "store/reuse").iterdir():
        noted.unlink()
    report = await resume("two", world.context, notes)
    assert (ran(), [step.taken_from for step in report.steps]) == ("", ["one", "one"])


@pytest.mark.parametrize("silent", [None, True])
async def test_nothing_is_taken_over_unasked(world: Any, notes: Any, chain: Any, ran: Any, silent: bool | None) -> None:
    """A file that says nothing of force_rerun, or that it is true, runs anew."""
    await start(chain(), world.context, notes, "one")
    ran()
    await start(chain(force_rerun=silent), world.context, notes, "two")
    assert ran() == "ab"


async def test_a_forced_run_can_be_taken_over(world: Any, notes: Any, chain: Any, ran: Any) -> None:
    """`force_rerun: true` is about this run."""
    await start(chain(force_rerun=True), world.context, notes, "one")
    ran()
    report = await start(chain(), world.context, notes, "two")
    assert (ran(), report.steps[0].taken_from) == ("", "one")


async def test_a_run_that_says_nothing_of_reuse_can_be_taken_over(world: Any, notes: Any, chain: Any, ran: Any) -> None:
    """Every run remembers what it did."""
    await start(chain(force_rerun=None), world.context, notes, "one")
    ran()
    report = await start(chain(), world.context, notes, "two")
    assert (ran(), [step.taken_from for step in report.steps]) == ("", ["one", "one"])


async def test_a_resumed_run_can_be_taken_over(world: Any, notes: Any, scored: Any) -> None:
    """What a step was made from is noted when it begins."""
    world.engine.trouble = "no node can start"
    await start(scored(), world.context, notes, "one")
    world.engine.trouble = None
    for gone in (keys.run_verdict("one"), keys.verdict(AT), keys.concluded_json(AT)):
        (world.folder / "store" / gone).unlink()
    await resume("one", world.context, notes)
    [report] = (await start(scored(), world.context, notes, "two")).steps
    assert report.taken_from == "one"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "nothing is reused: since run one: code changed: score.py"),
        ({"mini_batch_size": MiniBatchSize(2, "")}, "settings changed: mini_batch_size not set -> 2"),
        ({"thresholds": Thresholds(error_threshold=3)}, "settings changed: error_threshold -1 -> 3"),
        ({"environment_variables": {"KEY": "hidden"}}, "settings changed: environment_variables.KEY"),
    ],
)
async def test_why_nothing_is_reused(
    world: Any, notes: Any, scored: Any, settings: dict[str, Any], reason: str
) -> None:
    """The files, the settings with their values where these are short and no secret, and the run that is compared."""
    await start(scored(), world.context, notes, "one")
    if not settings:
        (world.folder / "src" / "score.py").write_text("def run(b): return b[:0]\n")
    await start(scored(**settings), world.context, notes, "two")
    said = [line for line in notes.said if "nothing is reused: since" in line]
    assert [reason in line for line in said] == [True], said
    assert "hidden" not in said[0]


async def test_why_a_step_after_one_that_ran_is_not_reused(world: Any, notes: Any, command: Any, pipeline: Any) -> None:
    """Its input was made anew."""
    a, b = command("a"), command("b", "a")
    await start(pipeline(a, b, force_rerun=False), world.context, notes, "one")
    await start(pipeline(replace(a, command=a.command + "; true"), b, force_rerun=False), world.context, notes, "two")
    assert notes.said.count("notice a: nothing is reused: since run one: settings changed: command") == 1
    assert "notice b: nothing is reused: since run one: step a, which makes input a, was run again" in notes.said


async def test_a_step_that_cannot_be_compared_says_so(world: Any, notes: Any, command: Any, pipeline: Any) -> None:
    """With the setting that is the reason."""
    await start(pipeline(command("a", is_deterministic=False), force_rerun=False), world.context, notes, "one")
    assert "notice a: nothing is reused: it says is_deterministic: false" in notes.said


async def test_many_files_are_noted_only_when_asked(
    world: Any, notes: Any, scored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking at them takes time that a run without reuse does not spend; it is said why nothing is reused."""
    monkeypatch.setattr(step_reuse, "UNASKED", 11)
    await start(replace(scored(), force_rerun=None), world.context, notes, "one")
    [report] = (await start(scored(), world.context, notes, "two")).steps
    assert report.taken_from is None
    assert any("the data of input files was not noted, as it was too many files" in line for line in notes.said)
    [report] = (await start(scored(), world.context, notes, "three")).steps
    assert report.taken_from == "two"


async def test_what_is_no_longer_the_same_runs(world: Any, notes: Any, command: Any, pipeline: Any, ran: Any) -> None:
    """Only the step that differs, and those that read what it makes."""
    a, b, c = command("a"), command("b", "a"), command("c")
    await start(pipeline(a, b, c, force_rerun=False), world.context, notes, "one")
    ran()
    other = replace(a, environment_variables={"X": "1"})
    await start(pipeline(other, b, c, force_rerun=False), world.context, notes, "two")
    assert ran() == "ab"


@pytest.mark.parametrize("harm", ["removed", "changed"])
async def test_outputs_that_are_not_what_they_were(world: Any, notes: Any, chain: Any, ran: Any, harm: str) -> None:
    """Are made again."""
    await start(chain(), world.context, notes, "one")
    ran()
    made = world.folder / "store/runs/one/b/outputs/o/who"
    made.unlink() if harm == "removed" else made.write_text("a\nB\n")
    await start(chain(), world.context, notes, "two")
    assert ran() == "b"


async def test_steps_that_are_not_noted(world: Any, notes: Any, command: Any, pipeline: Any, ran: Any) -> None:
    """One that failed, and one that says that it is not deterministic."""
    steps = (command("a", then="false"), command("b", is_deterministic=False))
    for name in ("one", "two"):
        await start(pipeline(*steps, force_rerun=False), world.context, notes, name)
        assert sorted(ran()) == ["a", "b"]


async def test_an_input_that_changes_meanwhile(
    world: Any, notes: Any, pipeline: Any, command: Any, ran: Any, tmp_path: Path
) -> None:
    """What the step has read of it is not known; the data never has its former identity again."""
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "who"
    file.write_text("text")
    data = {"x": DataInput(tmp_path.joinpath("data").as_uri(), DataType.URI_FOLDER)}
    a = replace(command("a", then=f"echo more >> {file}"), inputs=data)
    await start(pipeline(a, force_rerun=False), world.context, notes, "one")
    file.write_text("text")
    await start(pipeline(a, force_rerun=False), world.context, notes, "two")
    assert ran() == "aa"


async def test_other_software_is_another_step(
    world: Any, notes: Any, chain: Any, ran: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that was upgraded since may compute otherwise."""
    await start(chain(), world.context, notes, "one")
    ran()
    monkeypatch.setattr(installed, "packages", lambda: ("numpy==2.0",))
    await start(chain(), world.context, notes, "two")
    assert ran() == "ab"


@pytest.fixture
def scored(score: Any, pipeline: Any, tmp_path: Path) -> Callable[..., Pipeline]:
    """A parallel step with code of its own, in a pipeline that allows reuse."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "score.py").write_text("def run(b): return b\n")
    task = EntryTask("score.py", code=str(tmp_path / "src"), append_row_to="rows")
    return lambda **settings: pipeline(score(task=task, **settings), force_rerun=False)


async def test_a_parallel_step(world: Any, notes: Any, scored: Any) -> None:
    """With its counts; the file of its output stays as it is."""
    await start(scored(), world.context, notes, "one")
    [report] = (await start(scored(), world.context, notes, "two")).steps
    assert (report.taken_from, report.seal.counts.succeeded, report.seal.counts.total) == ("one", 12, 12)
    assert len(world.engine.placed) == 1
    assert (world.folder / "rows.txt").read_text().splitlines()[0] == "row of 0"


@pytest.mark.parametrize("what", ["code", "input", "setting"])
async def test_a_parallel_step_that_differs(world: Any, notes: Any, scored: Any, what: str) -> None:
    """In its code, in one of its input files, or in a setting."""
    await start(scored(), world.context, notes, "one")
    if what == "code":
        (world.folder / "src" / "score.py").write_text("def run(b): return b[:0]\n")
    elif what == "input":
        (world.folder / "in" / "03.txt").touch()
    again = scored(mini_batch_rows=None, thresholds=Thresholds(error_threshold=3 if what == "setting" else -1))
    [report] = (await start(again, world.context, notes, "two")).steps
    assert report.taken_from is None
    assert len(world.engine.placed) == 2


async def test_what_failed_in_part_is_not_taken_over(world: Any, notes: Any, scored: Any, failure: Any) -> None:
    """Although its thresholds allow that: who runs it again hopes for the rest."""

    async def answer(index: int) -> Any:
        return failure if index == 3 else None

    world.engine.answer = answer
    report = await start(scored(), world.context, notes, "one")
    assert report.verdict.completed
    assert (await start(scored(), world.context, notes, "two")).steps[0].taken_from is None


async def test_a_note_that_is_damaged_is_written_anew(world: Any, notes: Any, chain: Any, ran: Any) -> None:
    """It is worth no more than a step that runs again."""
    await start(chain(), world.context, notes, "one")
    for noted in (world.folder / "store/reuse").iterdir():
        noted.write_text("{")
    ran()
    await start(chain(), world.context, notes, "two")
    assert ran() == "ab"
    await start(chain(), world.context, notes, "three")
    assert ran() == ""
