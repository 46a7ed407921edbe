"""`python -m fanout.node`: how the local engine starts a node, without the weight of the command line.

The arguments say which step, and where. Without any they come later, as the first line of standard input, a JSON list:
the node has imported everything by then. When standard input is closed instead, the process is not needed and leaves.
With `--tables` beside them, or alone, what slots need to read tables is imported, too.

`--alone SECONDS` is for nodes that an engine has placed elsewhere: they look first whether they reach what they need,
and leave when no process has looked after the run for so long. With `--held`, too, the closing of standard input ends
them; else it means nothing to them.
"""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from fanout.errors import ExitCode, FanoutError, InputError
from fanout.slot.fork_server import ForkServer
from fanout.storage.hard_exit import hard_exit

TABLES = "--tables"
OOM_SCORE = "100"


def main() -> int:
    """Arguments in, exit code out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)  # before the run's own process, and after slots
    forks = ForkServer()
    with contextlib.suppress(OSError):  # tried again when the first slot is wanted
        forks.launch()  # its imports go on beside ours
        if TABLES in sys.argv:
            forks.load_tables()
    try:
        return _work(forks)
    finally:
        forks.close()


def _work(forks: ForkServer) -> int:
    import asyncio

    from fanout.memory import collect_seldom
    from fanout.node.exit_codes import FULL, GAVE_UP
    from fanout.node.standalone import Placement, exit_code, print_warnings, work
    from fanout.records.step import STEPS
    from fanout.storage.disk_space import full, lacks_room
    from fanout.storage.keys import StepRound
    from fanout.tasks import first_error

    STEPS.prepare()
    said = [argument for argument in sys.argv[1:] if argument != TABLES] or _later_arguments()
    if not said:
        return ExitCode.COMPLETED
    arguments = _parsed(said)
    at = StepRound(arguments.run, arguments.step, arguments.round)
    print_warnings()
    collect_seldom()
    try:
        place = Placement(arguments.alone, arguments.machine, held=arguments.held or arguments.alone is None)
        return exit_code(asyncio.run(work(at, arguments.store, arguments.queue, forks, place)))
    except (FanoutError, OSError, BaseExceptionGroup) as several:
        exc = first_error(several)
        if lacks_room(exc):
            sys.stderr.write(f"{exc if isinstance(exc, FanoutError) else full(getattr(exc, 'filename', None))}\n")
            return FULL
        if not isinstance(exc, FanoutError):
            raise
        sys.stderr.write(f"{exc}\n")
        return GAVE_UP if arguments.alone is not None and isinstance(exc, InputError) else ExitCode.INTERNAL


def _parsed(said: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fanout.node", allow_abbrev=False)
    parser.add_argument("run")
    parser.add_argument("step")
    parser.add_argument("--round", type=int, default=1)
    parser.add_argument("--store", required=True)
    parser.add_argument("--queue")
    parser.add_argument("--alone", type=float)
    parser.add_argument("--machine", default="")
    parser.add_argument("--held", action="store_true")
    return parser.parse_args(said)


def _later_arguments() -> list[str]:
    """The first line of standard input; nothing when it is closed before. What follows the line is left there."""
    line = bytearray()
    while not line.endswith(b"\n"):
        said = os.read(sys.stdin.fileno(), 1)
        if not said:
            return []
        line += said
    arguments: list[str] = json.loads(line)
    return arguments


if __name__ == "__main__":
    hard_exit(main())
