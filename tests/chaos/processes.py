"""The living processes of one run, as the machine's process table shows them. They alone are ever struck."""

import os
import signal
from pathlib import Path


def nodes_of(run: str) -> list[int]:
    """The nodes that the local engine has started for `run`, whether their engine still lives or not."""
    pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())
    return [pid for pid in pids if "fanout.node" in _command(pid) and _works_on(run, pid)]


def by_hand(run: str) -> list[int]:
    """The nodes that have joined `run` with the command `fanout node`."""
    pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())
    return [pid for pid in pids if _command(pid)[2:4] == ["node", run]]


def slots_of(node: int) -> list[int]:
    """The slots of a node that live just now: copies of its fork server."""
    return [pid for server in _children(node) for pid in _children(server)]


def servers_of(node: int) -> list[int]:
    """The fork server of a node."""
    return [pid for pid in _children(node) if "fork" in _command(pid)]


def strike(pid: int, number: signal.Signals) -> bool:
    """Sends the signal; whether the process was still there to get it."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _works_on(run: str, pid: int) -> bool:
    """By its arguments, or, where it was started before they were known, by the scratch folder that it has locked."""
    if run in _command(pid):
        return True
    try:
        opened = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()]  # noqa: PTH115 - only the text
    except OSError:
        return False
    return any(Path(name).parent.name.startswith(f"{run}-") for name in opened)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _command(pid: int) -> list[str]:
    """Its arguments; none when it is gone, or only waits for its parent to notice."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []
