"""One run that outlasts the soak: its supervisor, its node, a node that was started by hand, and their slots."""

import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.processes import nodes_of, slots_of
from tests.chaos.scene import Scene
from tests.soak.readings import Growth, Reading, growth, read_process

SECONDS_A_MINI_BATCH = 0.01
SLOTS = 4
"""Of both nodes together."""
START_LIMIT = 120.0
STOP_LIMIT = 60.0


def mini_batches_for(seconds: float) -> int:
    """More than can be done in that time."""
    return int(1.2 * SLOTS * seconds / SECONDS_A_MINI_BATCH) + 100


def watch_long_run(scene: Scene, seconds: float, every: float = 1.0) -> Iterator[Growth]:
    """Works for that long, then stops the run; the growth of each process that was there all the time."""
    supervisor = scene.start("run", "pipeline.yml", "--name", scene.run)
    joined: subprocess.Popen[bytes] | None = None
    found: dict[str, list[Reading]] = defaultdict(list)
    started = begun = time.monotonic()
    at_work = False
    try:
        while time.monotonic() - begun < seconds:
            if supervisor.poll() is not None:
                raise RuntimeError(f"the run ended too early, with {supervisor.returncode}:\n{scene.said[-2000:]}")
            if not at_work and time.monotonic() - started < START_LIMIT:
                begun = time.monotonic()
                found.clear()  # nothing is measured before both nodes work: what a process starts with is no growth
                joined = joined or (scene.start("node", scene.run) if scene.attempts() else None)
                at_work = joined is not None and _works(scene, joined.pid)
            for name, pid in _processes(scene, supervisor, joined):
                if (reading := read_process(pid)) is not None:
                    found[name].append(reading)
            time.sleep(every)
    finally:
        for process in (joined, supervisor):
            if process is not None:
                _stop(process)
    most = max(map(len, found.values()))
    for name, readings in found.items():
        if len(readings) > most / 2 and (grown := growth(name, readings)) is not None:
            yield grown


def _works(scene: Scene, node: int) -> bool:
    """Whether one of its slots has loaded the script."""
    return any((scene.notes / str(pid)).exists() for pid in slots_of(node))


def _processes(
    scene: Scene, supervisor: "subprocess.Popen[bytes]", joined: "subprocess.Popen[bytes] | None"
) -> Iterator[tuple[str, int]]:
    """Each by a name that it alone has, as long as it lives."""
    yield "supervisor", supervisor.pid
    nodes = [("node", pid) for pid in nodes_of(scene.run)] + ([("node by hand", joined.pid)] if joined else [])
    for kind, node in nodes:
        yield f"{kind} {node}", node
        for slot in slots_of(node):
            yield f"slot {slot} of {kind}", slot


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
