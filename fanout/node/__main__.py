"""`python -m fanout.node`: how the local engine starts a node, without the weight of the command line."""

import argparse
import asyncio
import logging
import os
import sys

from fanout.clock import SystemClock
from fanout.errors import ExitCode, FanoutError
from fanout.node.agent import Leaving
from fanout.node.exits import DRAINED, GAVE_UP
from fanout.node.serve import Surroundings, serve
from fanout.queue.service import open_queue_service
from fanout.store.access import Access
from fanout.store.keys import StepRound
from fanout.store.leave import leave
from fanout.store.open import open_store


def exit_code(why: Leaving) -> int:
    """What the process tells whoever started it."""
    match why:
        case Leaving.FINISHED | Leaving.CANCELED:
            return ExitCode.COMPLETED
        case Leaving.DRAINED:
            return DRAINED
        case Leaving.GAVE_UP:
            return GAVE_UP
        case Leaving.FAILED:
            return ExitCode.INTERNAL


def say_warnings() -> None:
    """Warnings go to stderr; the rest only to the node's log, whatever level that asks the loggers for."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    logging.basicConfig(handlers=[handler], format="%(levelname)s %(message)s")


async def work(
    at: StepRound, store: str, queue: str | None, *, slots: int | None = None, with_parent: bool = False
) -> Leaving:
    """One node, from its start to its end, with everything opened here and given back."""
    clock = SystemClock()
    access = Access.from_environ(os.environ)
    queues = open_queue_service(queue, store, access, clock)
    try:
        outside = Surroundings(open_store(store, access), queues, access, clock)
        return await serve(at, outside, slots=slots, with_parent=with_parent)
    finally:
        await queues.close()


def main() -> int:
    """Arguments in, exit code out."""
    parser = argparse.ArgumentParser(prog="python -m fanout.node", allow_abbrev=False)
    parser.add_argument("run")
    parser.add_argument("step")
    parser.add_argument("--round", type=int, default=1)
    parser.add_argument("--store", required=True)
    parser.add_argument("--queue")
    arguments = parser.parse_args()
    at = StepRound(arguments.run, arguments.step, arguments.round)
    say_warnings()
    try:
        return exit_code(asyncio.run(work(at, arguments.store, arguments.queue, with_parent=True)))
    except FanoutError as exc:
        sys.stderr.write(f"{exc}\n")
        return ExitCode.INTERNAL


if __name__ == "__main__":
    leave(main())
