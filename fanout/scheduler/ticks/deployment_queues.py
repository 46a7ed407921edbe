"""The standing queues of a deployment: one set for all its runs, so every message names its run and its step.

`work` holds mini-batches and command steps, for workers. `ticks` holds the next look at each run, for the supervisor.
`reductions` holds sealed steps whose output is to be made, for the reducer. Mini-batches are signed with the key of
their step, everything else with the key of its run.
"""

import json
from dataclasses import dataclass

from fanout.errors import DamagedRecordError
from fanout.queues.base import Queue, QueuePair
from fanout.records import fields as checked
from fanout.records import messages
from fanout.security.signature import UNSIGNED, Signer
from fanout.storage.keys import StepRound

REDUCE = "reduce"


@dataclass(frozen=True, slots=True)
class TickMessage:
    """A message that asks for a look at a run. `number` is that of the tick; None: there is news of the run."""

    run: str
    number: int | None = None


@dataclass(frozen=True, slots=True)
class DeploymentQueues:
    """The standing queues, with a method for each message that is sent to them."""

    work: QueuePair
    ticks: Queue
    reductions: Queue

    async def send_command(self, at: StepRound, signer: Signer) -> None:
        """Asks a worker to run the command step."""
        await self.work.main.send([messages.encode_order(messages.COMMAND, at, signer)])

    async def send_reduction(self, at: StepRound, signer: Signer) -> None:
        """Asks the reducer to do, or go on with, what follows from the step's seal."""
        await self.reductions.send([messages.encode_order(REDUCE, at, signer)])

    async def send_tick(self, message: TickMessage, signer: Signer, delay: float = 0.0) -> None:
        """Asks the supervisor to look at the run, after `delay` seconds."""
        await self.ticks.send([encode_tick(message, signer)], delay)


def encode_tick(message: TickMessage, signer: Signer = UNSIGNED) -> str:
    """Returns the tick as the body of a message."""
    fields = {"v": messages.VERSION, "kind": "tick", "run": message.run, "number": message.number}
    return signer.sign(json.dumps(fields))


def decode_tick(body: str) -> TickMessage:
    """Returns the tick in `body`; DamagedRecordError says what is wrong with it."""
    try:
        fields = checked.parse(body)
        if fields["v"] != messages.VERSION or fields["kind"] != "tick":
            raise ValueError(f"version {fields['v']!r:.20}, kind {fields['kind']!r:.40}")
        number = fields["number"]
        return TickMessage(
            checked.text(fields["run"], "run"), None if number is None else checked.whole(number, "number")
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise DamagedRecordError(f"tick {body[:80]!r}: {type(exc).__name__}: {exc}") from exc


def decode_reduction(body: str) -> StepRound:
    """Returns the step that the reducer is to conclude; DamagedRecordError when `body` asks for something else."""
    at = messages.decode_order(REDUCE, body)
    if at is None:
        raise DamagedRecordError(f"message {body[:80]!r}: names no step to conclude")
    return at
