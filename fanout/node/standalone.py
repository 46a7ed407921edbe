"""A node as a process of its own: everything it needs is opened here, and given back."""

import logging
import os

from fanout.clock import SystemClock
from fanout.errors import ExitCode
from fanout.node.dispatch.agent import Leaving
from fanout.node.exit_codes import DRAINED, GAVE_UP
from fanout.node.serve import NodeServices, serve
from fanout.queues.factory import open_queue_service
from fanout.slot.fork_server import ForkServer
from fanout.storage.access import Access
from fanout.storage.keys import StepRound
from fanout.storage.open import open_store


def exit_code(why: Leaving) -> int:
    """The exit code of the process."""
    match why:
        case Leaving.FINISHED | Leaving.CANCELED:
            return ExitCode.COMPLETED
        case Leaving.DRAINED:
            return DRAINED
        case Leaving.GAVE_UP | Leaving.FENCED:
            return GAVE_UP
        case Leaving.FAILED:
            return ExitCode.INTERNAL


def print_warnings() -> None:
    """Warnings go to stderr; the rest only to the node's log, whatever level that asks the loggers for."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    logging.raiseExceptions = False  # a log that cannot be written, as the disk is full, must not cover why
    logging.basicConfig(handlers=[handler], format="%(levelname)s %(message)s")


async def work(at: StepRound, store: str, queue: str | None, forks: ForkServer) -> Leaving:
    """Works on a step until it is over, and listens to the engine at the other end of standard input."""
    clock = SystemClock()
    access = Access.from_environ(os.environ)
    queues = open_queue_service(queue, store, access, clock)
    try:
        services = NodeServices(open_store(store, access), queues, access, clock, store, forks)
        return await serve(at, services, with_parent=True)
    finally:
        forks.close()
        await queues.close()
