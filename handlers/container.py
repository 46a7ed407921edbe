"""What lives as long as a function's container: the event loop, connections, and what was read of the deployment.

Made when the first event comes, so that importing a handler costs nothing and fails for nothing but missing modules.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol, TypeVar

from fanout.aws.deployment import Deployment, read_deployment
from fanout.clock import SharedClock, SystemClock
from fanout.config.settings import Settings, access_of
from fanout.engines.local import LocalEngine
from fanout.errors import QueueError, SettingsError
from fanout.log_lines import JsonLines, is_json
from fanout.queues.base import Delivery, Queue, QueuePair
from fanout.queues.sqs import SqsQueueService
from fanout.scheduler.context import RunContext
from fanout.scheduler.ticks.deployment_queues import DeploymentQueues
from fanout.scheduler.ticks.parallel_tick import SupervisorCache
from fanout.storage.open import open_store
from fanout.tasks import beside

T = TypeVar("T")

HELD = 60.0
"""Seconds for which a turn or a reduction is hidden from others, renewed as long as its function works on it."""
FAILED = 20.0
"""Seconds until a turn or a reduction that ended in an error is tried again."""
SPARE = 30.0
"""Seconds before a function's end, at the most, in which it begins nothing new."""
_VARIABLES = ("FANOUT_STORE", "FANOUT_DEPLOYMENT")
_QUEUES = ("FANOUT_WORK_QUEUE_URL", "FANOUT_DEAD_QUEUE_URL", "FANOUT_TICK_QUEUE_URL", "FANOUT_REDUCE_QUEUE_URL")

log = logging.getLogger("fanout.handlers")


class Context(Protocol):
    """What AWS Lambda tells of an invocation, as far as it is used here."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int: ...


@dataclass(frozen=True, slots=True, eq=False)
class Container:
    """Everything that handlers share; `run_context` measures durations as several machines agree about them."""

    loop: asyncio.AbstractEventLoop
    deployment: Deployment
    run_context: RunContext
    queues: DeploymentQueues
    kept: SupervisorCache

    def run(self, job: Coroutine[Any, Any, T]) -> T:
        """What `job` returns; tasks of earlier invocations go on meanwhile."""
        return self.loop.run_until_complete(job)


@cache
def container() -> Container:
    """The one of this process; SettingsError names the variables that are missing."""
    logging.getLogger("fanout").setLevel(logging.INFO)
    if is_json(os.environ):
        for handler in logging.getLogger().handlers:  # AWS's own, which writes to CloudWatch
            handler.setFormatter(JsonLines({"deployment": os.environ.get("FANOUT_DEPLOYMENT", "")}))
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop.run_until_complete(_open(loop, os.environ))


async def _open(loop: asyncio.AbstractEventLoop, environ: Mapping[str, str]) -> Container:
    if missing := [name for name in (*_VARIABLES, *_QUEUES) if not environ.get(name)]:
        raise SettingsError(f"the function has no {', '.join(missing)}: handlers/README.md says what they hold")
    bare = Settings(store=environ["FANOUT_STORE"].rstrip("/"))
    store = open_store(bare.store, access_of(bare, environ))
    deployment = await read_deployment(store, environ["FANOUT_DEPLOYMENT"])
    settings = replace(
        bare,
        visibility=deployment.visibility,
        max_receives=deployment.max_receives,
        datastores=deployment.datastores,
    )
    access, clock = access_of(settings, environ), SystemClock()
    service = SqsQueueService(access, clock)
    work, dead, ticks, reductions = (service.at(environ[name]) for name in _QUEUES)
    engine = LocalEngine(settings.store, None, {})  # never asked for a node: functions are started by their queue
    run_context = RunContext(settings, access, store, service, engine, SharedClock())
    return Container(
        loop, deployment, run_context, DeploymentQueues(QueuePair(work, dead), ticks, reductions), SupervisorCache()
    )


def deadline(context: Context) -> Callable[[], bool]:
    """Says whether an invocation has time for something more."""
    clock = SystemClock()
    left = context.get_remaining_time_in_millis() / 1000
    end = clock.monotonic() + left - min(SPARE, 0.2 * left)
    return lambda: clock.monotonic() < end


@asynccontextmanager
async def held(queue: Queue, delivery: Delivery) -> AsyncIterator[None]:
    """The delivery stays hidden while the context lasts; after an error, or when the function dies, it comes back."""

    async def keep() -> None:
        while True:
            await _extend(queue, delivery, HELD)
            await asyncio.sleep(HELD / 3)

    async with beside(keep(), "holding a message"):
        try:
            yield
        except BaseException:
            await _extend(queue, delivery, FAILED)
            raise


async def _extend(queue: Queue, delivery: Delivery, seconds: float) -> None:
    try:
        await queue.extend([delivery], seconds)
    except QueueError as exc:
        log.warning("a message could not be held: %s", exc)
