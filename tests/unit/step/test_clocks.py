"""The clocks of a step: what may take how long (reference, sections 8.1 and 9)."""

import pytest

from fanout.spec.steps import EntryTask, Limits, ParallelStep, RetrySettings
from fanout.step.clocks import Clocks

CLOCKS = Clocks(first_task=600.0, progress=90.0)


@pytest.mark.parametrize(
    ("planned", "since_start", "since_progress", "word"),
    [
        (0, 600.0, 600.0, None),
        (0, 600.1, 600.1, "first_task_creation_timeout"),
        (1, 6000.0, 90.0, None),
        (1, 6000.0, 90.1, "progress_update_timeout"),
        (0, 100.0, 95.0, None),
    ],
)
def test_overrun(planned: int, since_start: float, since_progress: float, word: str | None) -> None:
    """A clock runs out after its seconds, not at them; progress is asked for once there is something to do."""
    reason = CLOCKS.overrun(planned=planned, since_start=since_start, since_progress=since_progress)
    assert (reason is None) if word is None else (reason is not None and word in reason)


def test_progress_follows_from_the_other_limits() -> None:
    """Where the step does not say, progress may take three times what one mini-batch may."""
    task = EntryTask("score.py")
    limits = Limits(task_overhead_timeout=40.0, first_task_creation_timeout=7.0)
    step = ParallelStep(name="s", task=task, input_data="d", retry_settings=RetrySettings(timeout=10.0), limits=limits)
    assert Clocks.of(step) == Clocks(first_task=7.0, progress=150.0)
    said = Limits(progress_update_timeout=5.0)
    assert Clocks.of(ParallelStep(name="s", task=task, input_data="d", limits=said)).progress == 5.0
