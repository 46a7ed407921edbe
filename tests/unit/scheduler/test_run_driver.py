"""The driver of a run: all steps that can be are carried out, side by side; what others work on is looked at again."""

import asyncio
from typing import Any

import pytest

from fanout.errors import RunError
from fanout.pipeline.model import CommandStep, Step
from fanout.records.seal import Seal
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.scheduler.observer import StepReport
from fanout.scheduler.resident import new_record
from fanout.scheduler.run_driver import RunDriver, UnderWay
from fanout.scheduler.run_machine import Conclude, LookAgain

DONE = Seal(Verdict(VerdictStatus.COMPLETED, "done"), Counts(total=None))


def _step(name: str, *after: str) -> CommandStep:
    return CommandStep(name=name, command="", depends_on=after)


async def test_what_others_work_on_is_looked_at_again(world: Any, notes: Any, pipeline: Any) -> None:
    """When the first of them wants it; what comes after them does not begin, and is not left out."""
    begun: list[str] = []

    async def carry(step: Step, _: object) -> UnderWay:
        begun.append(step.name)
        return UnderWay({"a": 30.0, "c": 2.0}[step.name])

    record = new_record("r", pipeline(_step("a"), _step("b", "a"), _step("c")), {}, world.context)
    assert await RunDriver(record, world.context, notes, carry).go() == LookAgain(2.0)
    assert sorted(begun) == ["a", "c"]
    assert notes.said == []


async def test_independent_steps_go_on_side_by_side(world: Any, notes: Any, pipeline: Any) -> None:
    """Each waits for those it needs and for no other."""
    ended = {name: asyncio.Event() for name in "abc"}

    async def carry(step: Step, _: object) -> StepReport:
        if step.name == "c":
            await ended["b"].wait()
        ended[step.name].set()
        return StepReport(step, DONE)

    record = new_record("r", pipeline(_step("c"), _step("b", "a"), _step("a")), {}, world.context)
    driver = RunDriver(record, world.context, notes, carry)
    end = await driver.go()
    assert isinstance(end, Conclude)
    assert end.verdict == Verdict(VerdictStatus.COMPLETED, "all 3 steps completed")
    assert [report.step.name for report in driver.reports] == ["c", "b", "a"]


async def test_an_error_of_one_step_ends_the_pass(world: Any, notes: Any, pipeline: Any) -> None:
    """As itself; no other step goes on unseen."""
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def carry(step: Step, _: object) -> StepReport:
        if step.name == "a":
            await begun.wait()
            raise RunError("the store is gone")
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return StepReport(step, DONE)

    record = new_record("r", pipeline(_step("a"), _step("b")), {}, world.context)
    with pytest.raises(RunError, match="the store is gone"):
        await RunDriver(record, world.context, notes, carry).go()
    assert stopped.is_set()
