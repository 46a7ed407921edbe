"""The clocks of a step: what may take how long (reference, sections 8.1 and 9)."""

from dataclasses import replace

import pytest

from fanout.pipeline.model import EntryTask, Limits, ParallelStep, RetrySettings
from fanout.supervision.time_limits import TimeLimits

CLOCKS = TimeLimits(first_task=600.0, progress=90.0, init_failures=8)


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
    assert TimeLimits.of(step, cores=2) == TimeLimits(first_task=7.0, progress=150.0, init_failures=4, init=7.0)
    said = Limits(progress_update_timeout=5.0)
    assert TimeLimits.of(ParallelStep(name="s", task=task, input_data="d", limits=said), cores=2).progress == 5.0


def test_a_script_may_load_for_long_before_the_first_result() -> None:
    """init() has a limit of its own, which the limit of run() does not cut short."""
    clocks = replace(CLOCKS, init=600.0)
    assert clocks.overrun(planned=1, since_start=690.0, since_progress=690.0, has_results=False) is None
    assert clocks.overrun(planned=1, since_start=690.1, since_progress=690.1, has_results=False) is not None
    assert clocks.overrun(planned=1, since_start=690.0, since_progress=90.1) is not None


@pytest.mark.parametrize(
    ("given", "timeout", "limit"), [(600.0, 10.0, 600.0), (600.0, 3600.0, 3600.0), (2.0, 3600.0, 2.0)]
)
def test_how_long_init_may_take(given: float, timeout: float, limit: float) -> None:
    """As long as first_task_creation_timeout says; where that says nothing, not less than run() may."""
    limits, retries = Limits(first_task_creation_timeout=given), RetrySettings(timeout=timeout)
    step = ParallelStep(name="s", task=EntryTask("s.py"), input_data="d", limits=limits, retry_settings=retries)
    assert step.init_limit == limit


def test_starts_that_may_fail() -> None:
    """Twice the slots of all nodes, whether the step says how many slots a node has or the machine does."""
    step = ParallelStep(name="s", task=EntryTask("score.py"), input_data="d", instance_count=3)
    assert TimeLimits.of(step, cores=2).init_failures == 12
    assert TimeLimits.of(replace(step, max_concurrency_per_instance=5), cores=2).init_failures == 30


@pytest.mark.parametrize(
    ("failures", "since_start", "ends"), [(8, 120.0, False), (8, 120.1, True), (7, 6000.0, False), (9, 6000.0, True)]
)
def test_a_script_that_does_not_start(failures: int, since_start: float, ends: bool) -> None:
    """After two minutes so many failures in a row end the step; before that nodes decide for themselves."""
    reason = CLOCKS.cannot_start(failures=failures, since_start=since_start)
    assert (reason is not None and f"could not be started {failures} times in a row" in reason) is ends
