"""Cancels a run: asks for it in the store, and makes sure that the run ends.

The process that carries out the run looks for this request every few seconds and ends the run. When that process was
killed, this process ends the run: it starts no node, and takes in what was committed.
"""

from dataclasses import dataclass

from fanout.records.cancelation import ask, mine
from fanout.records.run import RunRecord, load_record
from fanout.records.seal import Seal, read_seal
from fanout.records.verdict import VerdictStatus
from fanout.scheduler.context import RunContext
from fanout.scheduler.observer import Unwatched
from fanout.scheduler.resident import resume
from fanout.storage import keys

TAKE_OVER_AFTER = 6.0
"""Seconds in which a run that is carried out has noticed, ended its nodes and been sealed, as a rule. Where it takes
longer no harm is done: two may end a run at once."""
LOOK_EVERY = 0.2


@dataclass(frozen=True, slots=True)
class CancelEnd:
    """How a run ended that was asked to cancel; `earlier` is True when it was over before that."""

    record: RunRecord
    seal: Seal
    earlier: bool

    @property
    def canceled(self) -> bool:
        """Whether the run was canceled; False when it was over before, or ended in another way first."""
        return self.seal.verdict.status is VerdictStatus.CANCELED


async def cancel(name: str, context: RunContext) -> CancelEnd:
    """Cancels the run; returns when it has its verdict, which is Canceled unless the run ended in another way first.

    RunError when there is no run of this name.
    """
    record = await load_record(context.store, name)
    verdict = keys.run_verdict(record.name, record.round)
    sealed = await read_seal(context.store, verdict)
    if sealed is not None:
        return CancelEnd(record, sealed, earlier=True)
    await ask(context.store, record.name, record.round, mine(context.clock))
    if (sealed := await _sealed_by_others(context, verdict)) is None:
        await resume(name, context, Unwatched())
        sealed = await read_seal(context.store, verdict)
    assert sealed is not None  # noqa: S101 - a run ends with it
    return CancelEnd(record, sealed, earlier=False)


async def _sealed_by_others(context: RunContext, verdict: str) -> Seal | None:
    """Returns the run's verdict as soon as another process has sealed it.

    None when none does within TAKE_OVER_AFTER seconds.
    """
    deadline = context.clock.monotonic() + TAKE_OVER_AFTER
    while (sealed := await read_seal(context.store, verdict)) is None and context.clock.monotonic() < deadline:
        await context.clock.sleep(LOOK_EVERY)
    return sealed
