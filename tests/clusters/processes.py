"""Processes of a cluster: started with their output in a file, and ended in the end."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PATIENCE = 120.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until(holds: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Returns when it holds; AssertionError names what did not come about."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, what
        time.sleep(0.05)


@dataclass
class Processes:
    """What a cluster consists of."""

    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self, name: str, *command: str, environ: Mapping[str, str] | None = None) -> "subprocess.Popen[bytes]":
        with (self.folder / f"{name}.out").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command,
                env={**os.environ, **self.environ, **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self.running[name]

    def end(self) -> None:
        """All have ended, in the reverse order."""
        for process in reversed(self.running.values()):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self.running.values()):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def end_tree(*roots: int) -> None:
    """Kills these processes with all that they have started."""
    import psutil

    found = [psutil.Process(root) for root in roots if psutil.pid_exists(root)]
    for process in [*found, *(child for one in found for child in one.children(recursive=True))]:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
