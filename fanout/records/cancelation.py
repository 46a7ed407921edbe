"""cancel.json: a request to stop a run, made by `fanout cancel` or by a failed step.

Created once; supervisors, nodes and commands look for it.
"""

import contextlib
import getpass
import socket
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from fanout.clock import Clock
from fanout.errors import DamagedRecordError, StoreError
from fanout.records.codec import Record, Seconds
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import create, read

if TYPE_CHECKING:
    from obstore.store import ObjectStore

LOOK_EVERY = 2.0
"""Seconds between two looks."""


@dataclass(frozen=True, slots=True)
class Cancelation:
    """Who canceled a run, on which machine, and when (epoch seconds); "" and 0 when unknown.

    With `step`, no user did: that step failed, and `continue_on_step_failure` is false.
    """

    by: str = ""
    host: str = ""
    at: Seconds = 0.0
    version: Literal[1] = 1
    step: str = ""

    def __str__(self) -> str:
        if self.step:
            return f"step {self.step} failed, and continue_on_step_failure is false"
        return f"{self.by or 'a user'}{f' on {self.host}' if self.host else ''} canceled the run"


CANCELATIONS = Record(Cancelation, version=None, indent=None)


def mine(clock: Clock) -> Cancelation:
    """The cancelation that this process would ask for."""
    try:
        by = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as containers have them
        by = ""
    return Cancelation(by, socket.gethostname(), clock.now())


async def ask(store: "ObjectStore", run: str, number: int, wanted: Cancelation) -> Cancelation:
    """Round `number` of the run is to stop from here on; the cancelation that holds: `wanted`, or an earlier one."""
    if await create(store, keys.cancel(run, number), CANCELATIONS.dump(wanted)):
        return wanted
    return await read_cancelation(store, run, number) or wanted


async def end_others(store: "ObjectStore", run: str, number: int, step: str, clock: Clock) -> None:
    """The step has failed, and that ends all others of this round of the run, wherever their nodes are."""
    await ask(store, run, number, replace(mine(clock), step=step))


async def read_cancelation(store: "ObjectStore", run: str, number: int) -> Cancelation | None:
    """The request to stop round `number` of the run; None when there is none.

    An object that cannot be read counts as a request.
    """
    body = await read(store, keys.cancel(run, number))
    if body is None:
        return None
    try:
        found = CANCELATIONS.load(body, "cancel.json")
    except DamagedRecordError:
        return Cancelation()
    return replace(found, by=found.by[:200], host=found.host[:200], step=found.step[:300])


async def canceled_before(store: "ObjectStore", run: str, number: int, at: StepRound) -> Cancelation | None:
    """Who canceled the run before the step `at` had begun: one that has is brought to its end."""
    canceled = await read_cancelation(store, run, number)
    if canceled is None or await read(store, keys.verdict(at)) is not None:
        return None
    return canceled if await read(store, keys.step_json(at)) is None else None


async def until_canceled(store: "ObjectStore", run: str, number: int, clock: Clock) -> Cancelation:
    """Returns when the run is to stop. A store that cannot be reached is asked again."""
    while True:
        with contextlib.suppress(StoreError):
            if (found := await read_cancelation(store, run, number)) is not None:
                return found
        await clock.sleep(LOOK_EVERY)
