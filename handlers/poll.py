"""`python -m handlers.poll`: a worker in a container of one's own instead of a function, on the same work queue.

It takes deliveries itself, a batch at a time, and hands each batch to what the function's handler hands its events to.
SIGTERM: the batch at hand is brought to its end, which takes no longer than FANOUT_WORKER_SECONDS (900), and no other
is taken. So the grace period of the container must be longer than that. A second signal ends it at once.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence

from fanout.clock import Clock
from fanout.errors import FanoutError, SettingsError
from fanout.queues.base import Delivery, Queue
from fanout.tasks import cut_off
from handlers.container import container, log
from handlers.worker import worker_of

BATCH = 10
WAIT = 5.0
"""Seconds for which the queue is asked at once: so long one with nothing to do takes to leave."""
ANSWER = 2 * WAIT
"""Seconds for which a queue that was asked may still answer after a signal: what it hands out would stay hidden."""
LEAVING = 60.0
"""Seconds for shutdown() in the slots and for their logs, also where the servers do not answer any more."""
TROUBLE = 3
"""The exit code where the servers, or fanout itself, are why it ends."""
VARIABLE = "FANOUT_WORKER_SECONDS"

Work = Callable[[Sequence[Delivery], float], Awaitable[list[Delivery]]]
"""Tries what is delivered, until a moment of the monotonic clock; returns what is to be received again."""


async def poll(queue: Queue, work: Work, clock: Clock, seconds: float, leaving: asyncio.Event) -> None:
    """Batches are worked through, one after the other, until `leaving` is set; each has `seconds`."""
    while not leaving.is_set():
        if deliveries := await _receive(queue, leaving):
            failed = await work(deliveries, clock.monotonic() + seconds)
            await queue.delete([delivery for delivery in deliveries if delivery not in failed])


async def _receive(queue: Queue, leaving: asyncio.Event) -> list[Delivery]:
    """What comes; nothing when `leaving` is set and the queue is not heard of soon."""
    receiving, stop_wait = asyncio.ensure_future(queue.receive(BATCH, WAIT)), asyncio.ensure_future(leaving.wait())
    try:
        await asyncio.wait([receiving, stop_wait], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait([receiving], timeout=ANSWER)
        return receiving.result() if receiving.done() else []
    finally:
        await cut_off(receiving, stop_wait)


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

    def leave() -> None:
        if leaving.is_set():
            os._exit(TROUBLE)  # slots end with the process that they belong to
        leaving.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        here.loop.add_signal_handler(number, leave)

    async def live() -> None:
        try:
            await poll(here.queues.work.main, worker.work, worker.services.clock, seconds, leaving)
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVING):
                    await worker.close()

    log.info("polling as a worker of %s", here.deployment.name)
    try:
        here.run(live())
    except FanoutError as exc:
        log.error("%s", exc)
        sys.exit(TROUBLE)


if __name__ == "__main__":
    main()
