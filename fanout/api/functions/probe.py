"""How long an item takes, measured before the run: the first items are computed in a process of their own.

What they return is not computed again: their rows go with the run. So an automatic mini-batch size costs a tenth of a
second, and no call. Only an item that takes longer than a second, or fails, is left to the run, which calls it anew.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

LONGEST = 1.0
"""Seconds after which the process is ended; the items that it has come to by then are known."""
ENOUGH = 0.1
"""Seconds of calls after which no further item is begun."""
MOST = 64
WANTED = 1.0
"""Seconds that a mini-batch is to take."""
LARGEST = 20_000
PARTS = 4
"""At least so many mini-batches for each slot, so that all are busy to the end."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The rows of the first items, in their order, and the seconds that one took; None when none came to its end."""

    rows: list[Any]
    seconds: float | None


def size_for(items: int, seconds: float | None, slots: int) -> int:
    """Items of a mini-batch that takes about a second. Pure."""
    fair = max(1, ceil(items / (PARTS * max(1, slots))))
    if seconds is None:
        return 1
    return max(1, min(fair, LARGEST, int(WANTED / max(seconds, 1e-6))))


def slots_here() -> int:
    """How many slots a node of this machine has by default."""
    return len(os.sched_getaffinity(0))


def measure(
    code: Path, lines: Sequence[bytes], environ: Mapping[str, str], meanwhile: Callable[[], object] = lambda: None
) -> Measured:
    """Computes the first items with the code in this folder; nothing that the function does reaches this process.

    `meanwhile` is called once that process has begun to start up.
    """
    with subprocess.Popen(  # noqa: S603 - this interpreter and our own module
        [sys.executable, "-P", "-m", "fanout.api.functions.probe", str(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environ},
        start_new_session=True,
    ) as process:
        try:
            answers = _answers(process, b"".join(lines[:MOST]), meanwhile)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    rows = [answer["row"] for answer in answers]
    seconds = sum(answer["seconds"] for answer in answers) / len(rows) if rows else None
    return Measured(rows, seconds)


def _answers(process: "subprocess.Popen[bytes]", given: bytes, meanwhile: Callable[[], object]) -> list[dict[str, Any]]:
    """What it says in time, a line for each item; starting up and loading the function take as long as they take."""
    assert process.stdin is not None  # noqa: S101 - it was opened as a pipe
    assert process.stdout is not None  # noqa: S101 - it was opened as a pipe
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(given)
        process.stdin.close()
    meanwhile()
    said, deadline = b"", None
    while deadline is None or time.monotonic() < deadline:
        ready, _, _ = select.select([process.stdout], [], [], None if deadline is None else deadline - time.monotonic())
        chunk = os.read(process.stdout.fileno(), 1024 * 1024) if ready else b""
        if not chunk:
            break
        said += chunk
        deadline = deadline or time.monotonic() + LONGEST  # from when the function is there
    return [json.loads(line) for line in said.split(b"\n")[1:-1]]


def main(code: str) -> None:
    """In the process of its own: loads the function, says so, and computes items until it has been long enough."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.path.insert(0, code)
    script = __import__("fanout_entry")
    script.init()
    answers.write("ready\n")
    answers.flush()
    begun = time.perf_counter()
    for line in sys.stdin.buffer:
        start = time.perf_counter()
        if start - begun > ENOUGH:
            break
        [row] = script.run([json.loads(line)], None)
        seconds = time.perf_counter() - start
        # As it comes back from the run: a row is written with the encoder of all rows, and read as JSON.
        answers.write(json.dumps({"row": _written(row), "seconds": seconds}) + "\n")
        answers.flush()
    with contextlib.suppress(Exception):
        script.shutdown()
    os._exit(0)  # threads of the function do not keep it


def _written(row: object) -> Any:
    from fanout.records.row_format import RowFormat
    from fanout.slot.child.row_encoder import RowEncoder

    return json.loads(RowEncoder(RowFormat.JSONL).encode([row]).payload)


if __name__ == "__main__":
    main(sys.argv[1])
