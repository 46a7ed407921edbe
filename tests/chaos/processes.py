"""The living processes of one run, as the machine's process table shows them. They alone are ever struck."""

import os
import signal
from pathlib import Path


def nodes_of(run: str) -> list[int]:
    """The nodes that the local engine has started for `run`, whether their engine still lives or not."""
    pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())
    return [pid for pid in pids if _is_node_of(run, _command(pid))]


def slots_of(node: int) -> list[int]:
    """The slots of a node that live just now."""
    try:
        children = Path(f"/proc/{node}/task/{node}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid for pid in map(int, children) if "fanout.node.child" in _command(pid)]


def strike(pid: int, number: signal.Signals) -> bool:
    """Sends the signal; whether the process was still there to get it."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _is_node_of(run: str, command: list[str]) -> bool:
    return "fanout.node" in command and command[command.index("fanout.node") + 1] == run


def _command(pid: int) -> list[str]:
    """Its arguments; none when it is gone, or only waits for its parent to notice."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []
