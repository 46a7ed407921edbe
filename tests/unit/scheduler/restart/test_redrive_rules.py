"""What becomes of each step in the next round of a run."""

from dataclasses import replace

import pytest

from fanout.errors import RunError
from fanout.pipeline.model import CommandStep, DataType, EntryTask, ParallelStep, Pipeline, StepOutput
from fanout.records.run import RunRecord, StepPlace
from fanout.records.seal import Seal
from fanout.records.step import Continued
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.scheduler.restart.redrive_rules import Choice, RedriveAction, StepEnd, check_choice, next_round


def _end(status: VerdictStatus = VerdictStatus.COMPLETED, **fields: object) -> StepEnd:
    return replace(StepEnd(Seal(Verdict(status, "because"), Counts(None))), **fields)


GOOD, BAD = _end(), _end(VerdictStatus.FAILED)
ALL_DONE = _end(begun=True, total=9, unsuccessful=())
SOME_LEFT = _end(VerdictStatus.FAILED, begun=True, total=9, unsuccessful=(2, 5))
WITHIN = _end(begun=True, total=9, unsuccessful=(2,))
UNPLANNED = _end(VerdictStatus.CANCELED, begun=True)
NOT_RUN = StepEnd()

PREPARE = CommandStep(name="prepare", command="true")
SCORE = ParallelStep(
    name="score", task=EntryTask("s.py"), input_data="x", inputs={"x": StepOutput("prepare", "o", DataType.URI_FOLDER)}
)
REPORT = CommandStep(name="report", command="true", inputs={"x": StepOutput("score", "o", DataType.URI_FILE)})
OTHER = CommandStep(name="other", command="true")
# Not in the order of their data: the file may have them in any.
RECORD = RunRecord("r", Pipeline("/p.yml", None, (REPORT, SCORE, PREPARE, OTHER)), 0.0)


def _ways(choice: Choice | None = None, **ends: StepEnd) -> dict[str, RedriveAction]:
    every = {"prepare": GOOD, "score": ALL_DONE, "report": GOOD, "other": GOOD} | ends
    return {step: way for step, (way, _) in next_round(RECORD, every, choice).items()}


S, G, A = RedriveAction.KEEP, RedriveAction.CONTINUE, RedriveAction.RESTART


@pytest.mark.parametrize(
    ("ends", "prepare", "score", "report", "other"),
    [
        ({}, S, S, S, S),
        ({"score": SOME_LEFT, "report": NOT_RUN}, S, G, A, S),
        ({"score": WITHIN}, S, G, A, S),
        ({"score": UNPLANNED, "report": NOT_RUN}, S, G, A, S),
        ({"score": BAD, "report": NOT_RUN}, S, A, A, S),
        ({"score": NOT_RUN, "report": NOT_RUN}, S, A, A, S),
        ({"score": _end(VerdictStatus.FAILED, begun=True, total=9, unsuccessful=())}, S, A, A, S),
        ({"prepare": BAD, "score": NOT_RUN, "report": NOT_RUN}, A, A, A, S),
        ({"report": BAD}, S, S, A, S),
        ({"other": BAD}, S, S, S, A),
    ],
)
def test_what_succeeded_stays_and_what_needs_something_new_is_done_anew(
    ends: dict[str, StepEnd], prepare: RedriveAction, score: RedriveAction, report: RedriveAction, other: RedriveAction
) -> None:
    """Only a parallel step with mini-batches left goes on; whatever comes after what is done again is done anew."""
    assert _ways(**ends) == {"prepare": prepare, "score": score, "report": report, "other": other}


def test_a_choice_leaves_other_steps_alone() -> None:
    """Only the chosen step and what comes after it; another step that failed stays failed."""
    assert _ways(Choice("score"), score=SOME_LEFT, report=NOT_RUN, other=BAD) == {
        "prepare": S,
        "score": G,
        "report": A,
        "other": S,
    }


def test_places_say_where_each_step_is() -> None:
    """A step that goes on keeps its plan; one that is done anew has its own; one that stays is where it was."""
    record = replace(RECORD, round=3, places={"score": StepPlace(3, 1, Continued(1)), "report": StepPlace(3, 3)})
    ends = {"prepare": GOOD, "score": SOME_LEFT, "report": GOOD, "other": GOOD}
    places = {step: place for step, (_, place) in next_round(record, ends, Choice("score", (5,))).items()}
    assert places == {
        "prepare": StepPlace(),
        "score": StepPlace(4, 1, Continued(3, (5,))),
        "report": StepPlace(4, 4),
        "other": StepPlace(),
    }


@pytest.mark.parametrize(
    ("chosen", "end", "said"),
    [
        ((9,), SOME_LEFT, "has no mini-batch 9: it has 9"),
        ((2, 3), SOME_LEFT, "mini-batch 3 of step score has succeeded"),
        ((2,), UNPLANNED, "was not planned to the end"),
        ((2,), NOT_RUN, "was not planned to the end"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(chosen: tuple[int, ...], end: StepEnd, said: str) -> None:
    """Before anything is written."""
    with pytest.raises(RunError, match=said):
        check_choice(RECORD, Choice("score", chosen), end)


def test_a_choice_that_makes_sense() -> None:
    """Mini-batches without success, and the whole step however it ended."""
    check_choice(RECORD, Choice("score", (2, 5)), SOME_LEFT)
    check_choice(RECORD, Choice("score"), UNPLANNED)
