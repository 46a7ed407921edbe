"""`python -m handlers.poll`: a worker in a container of one's own instead of a function, on the same work queue.

It takes deliveries itself, a batch at a time, and hands each batch to what the function's handler hands its events to.
SIGTERM: the batch at hand is brought to its end, which takes no longer than FANOUT_WORKER_SECONDS (900), and no other
is taken. So the grace period of the container must be longer than that.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence

from fanout.clock import Clock
from fanout.errors import SettingsError
from fanout.queue.port import Delivery, Queue
from handlers.container import container, log
from handlers.worker import worker_of

BATCH = 10
WAIT = 5.0
"""Seconds for which the queue is asked at once: so long a worker with nothing to do takes to leave."""
VARIABLE = "FANOUT_WORKER_SECONDS"

Work = Callable[[Sequence[Delivery], float], Awaitable[list[Delivery]]]
"""Tries what is delivered, until a moment of the monotonic clock; returns what is to be received again."""


async def poll(queue: Queue, work: Work, clock: Clock, seconds: float, leaving: asyncio.Event) -> None:
    """Batches are worked through, one after the other, until `leaving` is set; each has `seconds`."""
    while not leaving.is_set():
        deliveries = await queue.receive(BATCH, WAIT)
        if deliveries:
            failed = await work(deliveries, clock.monotonic() + seconds)
            await queue.delete([delivery for delivery in deliveries if delivery not in failed])


def seconds_of(text: str | None) -> float:
    """How long a batch may take; SettingsError unless it is a number of at least 10."""
    try:
        seconds = float(text or 900)
    except ValueError:
        seconds = 0.0
    if not 10 <= seconds <= 12 * 3600:
        raise SettingsError(f"{VARIABLE}: expected 10 to 43200 seconds, found {text!r}")
    return seconds


def main() -> None:
    """Works until a signal comes."""
    here, leaving = container(), asyncio.Event()
    seconds, worker = seconds_of(os.environ.get(VARIABLE)), worker_of(here)
    for number in (signal.SIGTERM, signal.SIGINT):
        here.loop.add_signal_handler(number, leaving.set)

    async def live() -> None:
        try:
            await poll(here.standing.work.main, worker.work, worker.outside.clock, seconds, leaving)
        finally:
            await worker.close()

    log.info("polling as a worker of %s", here.deployment.name)
    here.run(live())


if __name__ == "__main__":
    main()
