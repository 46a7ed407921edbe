"""How much work a node keeps for its slots, and how it deals that out to them."""

from collections.abc import Sequence

from fanout.node.dispatch.intake import RECEIVE_WAIT, Intake
from fanout.queues.base import Queue
from fanout.slot.slot import Slot

SECONDS_AHEAD = 0.4
"""Of work that waits in the node, where mini-batches are short."""
MOST_AHEAD = 512


def wanted(slots: Sequence[Slot]) -> int:
    """How many mini-batches should wait in the node: as many as the slots want, and a while ahead."""
    averages = [slot.average for slot in slots if slot.average is not None]
    ahead = int(SECONDS_AHEAD * len(slots) / max(min(averages), 1e-6)) if averages else 0
    return max(sum(slot.wanted for slot in slots), min(MOST_AHEAD, ahead))


def receive_timeout(queue: Queue, slots: Sequence[Slot]) -> float:
    """For how many seconds a receive may wait for the first message.

    At a queue of this machine waiting is asking again and again, which takes from user code: while each slot has
    something to do that queue is asked when slots are looked at.
    """
    return 0.0 if queue.depth_lag == 0 and all(slot.busy for slot in slots) else RECEIVE_WAIT


def assign(slots: Sequence[Slot], intake: Intake) -> None:
    """Assigns mini-batches to slots that have room, the emptiest first.

    No slot holds more than half of its quota of all mini-batches on the node: towards the end of a step assignments get
    smaller (guided self-scheduling), so that all slots end within about one mini-batch.
    """
    share = quota(intake.waiting + sum(slot.holds for slot in slots), len(slots))
    for slot in sorted(slots, key=lambda slot: slot.holds):
        if (room := slot.room(share)) and (batches := intake.start(room)):
            slot.assign(batches)


def quota(mini_batches: int, slots: int) -> int:
    """How many of so many mini-batches one of so many slots may hold: half of what is its own, and at least one."""
    return max(1, -(-mini_batches // (2 * slots)))
