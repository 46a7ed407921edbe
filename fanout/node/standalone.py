"""A node as a process of its own: everything it needs is opened here, and given back."""

import logging
import os
import socket
from dataclasses import dataclass

from fanout.clock import SystemClock
from fanout.errors import ExitCode, InputError
from fanout.log_lines import JsonLines, is_json
from fanout.node.dispatch.agent import Leaving
from fanout.node.dispatch.end_check import check_for_end
from fanout.node.exit_codes import DRAINED, GAVE_UP
from fanout.node.inputs_check import check_inputs
from fanout.node.reach import other_machine
from fanout.node.serve import NodeServices, load_step, serve
from fanout.queues.factory import open_queue_service
from fanout.slot.fork_server import ForkServer
from fanout.storage import keys
from fanout.storage.access import Access
from fanout.storage.keys import StepRound
from fanout.storage.objects import read
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
    """Warnings go to stderr, as JSON where FANOUT_LOG=json.

    The rest goes only to the node's log, whatever level that asks the loggers for.
    """
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(JsonLines() if is_json(os.environ) else logging.Formatter("%(levelname)s %(message)s"))
    logging.raiseExceptions = False  # a log that cannot be written, as the disk is full, must not cover why
    logging.basicConfig(handlers=[handler])


@dataclass(frozen=True, slots=True)
class Placement:
    """How a node was started.

    `alone`: elsewhere, and it leaves when no process has looked after the run for so many seconds. `machine`: where the
    queue is, when that is a file. `held`: an engine is at the other end of standard input.
    """

    alone: float | None = None
    machine: str = ""
    held: bool = True


async def work(
    at: StepRound, store: str, queue: str | None, forks: ForkServer, placement: Placement = Placement()
) -> Leaving:
    """Works on a step until it is over. InputError when a node that was placed here lacks what it needs."""
    clock = SystemClock()
    access = Access.from_environ(os.environ)
    if (why := other_machine(placement.machine)) is not None:
        raise InputError(f"{socket.gethostname()}: {why}")
    queues = open_queue_service(queue, store, access, clock)
    try:
        services = NodeServices(open_store(store, access), queues, access, clock, store, forks)
        if placement.alone is not None and await _is_over(at, services):
            return Leaving.FINISHED
        return await serve(at, services, with_parent=placement.held, alone=placement.alone)
    finally:
        forks.close()
        await queues.close()


async def _is_over(at: StepRound, services: NodeServices) -> bool:
    """Whether nothing is left to do; else what the step needs is here, which InputError says otherwise."""
    if await read(services.store, keys.run_json(at.run)) is None:
        raise InputError(f"{socket.gethostname()}: the store {services.store_uri} has no run {at.run} here")
    if await check_for_end(services.store, at, None) is not None:
        return True
    await check_inputs(await load_step(services.store, at), services.store, services.access)
    return False
