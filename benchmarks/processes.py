"""The processes that a command starts, watched from outside: how much memory each kind takes at most."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EVERY = 0.1
KINDS = {"fanout.slot.child.main": "slot", "fanout.node": "node"}
"""By a module in the command line; everything else is the command itself: planner, supervisor and reducer."""


class Peaks(dict[str, float]):
    """Most MiB that one process of a kind had in memory; swapped out or shared counts as the kernel says."""


@contextmanager
def watched(process: "subprocess.Popen[bytes]") -> Iterator[Peaks]:
    """The peaks of a process and of all that it starts, complete when the context has ended."""
    peaks, over = Peaks(), threading.Event()

    def watch() -> None:
        while not over.wait(EVERY):
            for pid in _descendants(process.pid):
                _note(pid, peaks)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()


def _descendants(root: int) -> list[int]:
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += [child for child, parent in parents.items() if parent == pid]
    return found


def _note(pid: int, peaks: Peaks) -> None:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return
    kind = next((kind for module, kind in KINDS.items() if os.fsencode(module) in words), "run")
    peak = next((line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")), "0")
    peaks[kind] = max(peaks.get(kind, 0.0), int(peak) / 1024)


def run_watched(command: list[str], place: Path, limit: float) -> tuple[float, Peaks]:
    """Seconds and peaks of a command; SystemExit with its last words when it fails."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    said = place / "said.txt"
    begun = time.perf_counter()
    with said.open("wb") as out:
        process = subprocess.Popen(command, cwd=place, env=environ, stdout=out, stderr=out)
        with watched(process) as peaks:
            try:
                process.wait(limit)
            finally:
                process.kill()
    seconds = time.perf_counter() - begun
    if process.returncode:
        raise SystemExit(
            f"benchmarks: {' '.join(command)} ended with {process.returncode}:\n{said.read_text()[-3000:]}"
        )
    return seconds, peaks
