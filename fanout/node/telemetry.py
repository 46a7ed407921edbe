"""What a node uses of its machine, written down now and then: logs/sys/perf/<node>/ (reference, section 11).

    node_resource_usage.csv       processors, memory, disk and network of the machine
    node_disk_usage.csv           how full each file system is that the node writes to
    processes_resource_usage.csv  the node, its slots, and what their scripts have started
    os/%Y%m%d%H/processes_%M      all processes of this machine that one may see, as `ps` lists them

One look costs some milliseconds, so it is taken in a thread, and the first only when a step has lasted for a while.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fanout.clock import Clock
from fanout.tasks import beside, every

if TYPE_CHECKING:
    from psutil import Process

log = logging.getLogger(__name__)

FIRST_LOOK = 5.0
"""Seconds after which the first look is taken, when the interval is longer than that."""
MB = 1024 * 1024
NODE_COLUMNS = (
    "Utc Time",
    "Cpu Percent",
    "Memory Total (MB)",
    "Memory Available (MB)",
    "Memory Used (MB)",
    "Memory Used Percent",
    "Disk Io Read Count",
    "Disk Io Write Count",
    "Disk Io Read (MB)",
    "Disk Io Write (MB)",
    "Network Sent (MB)",
    "Network Recv (MB)",
    "# TCP connections",
    "# UDP connections",
)
DISK_COLUMNS = ("Utc Time", "Path", "Total (MB)", "Used (MB)", "Free (MB)", "Used Percent")
PROCESS_COLUMNS = (
    "Utc Time",
    "Pid",
    "Parent Pid",
    "Name",
    "Status",
    "Cpu Percent",
    "Cpu User Seconds",
    "Cpu System Seconds",
    "Memory Rss (MB)",
    "# Threads",
    "# Open files",
)

LISTED = ["username", "pid", "ppid", "memory_percent", "memory_info", "status", "create_time", "cpu_times", "name"]


class Usage:
    """Looks at the machine and adds what it sees to the files in `folder`; `paths` are what the node writes to."""

    def __init__(self, folder: Path, paths: Sequence[Path]) -> None:
        self._folder, self._paths = folder, paths
        self._seen: dict[int, Process] = {}

    def look(self, now: datetime) -> None:
        """One look; a file that cannot be written is a warning."""
        stamp = now.strftime("%Y-%m-%dT%H:%M:%S")
        try:
            self._append("node_resource_usage.csv", NODE_COLUMNS, [(stamp, *_node())])
            self._append("node_disk_usage.csv", DISK_COLUMNS, [(stamp, *row) for row in _disks(self._paths)])
            processes = [(stamp, *row) for row in self._processes()]
            self._append("processes_resource_usage.csv", PROCESS_COLUMNS, processes)
            self._write_process_list(now)
        except OSError as exc:
            log.warning("what this node uses could not be written down: %s", exc)

    def _append(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        import csv

        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8", newline="", errors="backslashreplace") as file:
            writer = csv.writer(file, lineterminator="\n")
            if not file.tell():
                writer.writerow(columns)
            writer.writerows(rows)

    def _processes(self) -> Iterator[tuple[object, ...]]:
        """This process and all below it; the objects are kept, as the share of a processor is counted between looks."""
        import psutil

        me = psutil.Process()
        living = {process.pid: self._seen.get(process.pid, process) for process in (me, *me.children(recursive=True))}
        self._seen = living
        for process in living.values():
            with contextlib.suppress(psutil.Error):
                yield _process(process)

    def _write_process_list(self, now: datetime) -> None:
        import psutil

        path = self._folder / "os" / f"{now:%Y%m%d%H}" / f"processes_{now:%M}"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = ["USER PID PPID %MEM RSS_KB STAT STARTED TIME COMMAND"]
        lines += [_listed(process.info) for process in psutil.process_iter(LISTED)]
        path.write_text("\n".join(lines) + "\n", "utf-8", errors="backslashreplace")


@contextlib.asynccontextmanager
async def usage_written(usage: Usage, interval: float, clock: Clock) -> AsyncIterator[None]:
    """Looks every `interval` seconds while the context lasts; 0: never (reference, section 8.1)."""
    if not interval:
        yield
        return

    async def look() -> None:
        await asyncio.to_thread(usage.look, datetime.fromtimestamp(clock.now(), UTC))

    looks = every(interval, look, clock, first=min(FIRST_LOOK, interval))
    async with beside(looks, "measuring what the node uses"):
        yield


def _node() -> tuple[object, ...]:
    import psutil

    memory, disk, network = psutil.virtual_memory(), psutil.disk_io_counters(), psutil.net_io_counters()
    return (
        psutil.cpu_percent(),
        _mb(memory.total),
        _mb(memory.available),
        _mb(memory.used),
        memory.percent,
        *((disk.read_count, disk.write_count, _mb(disk.read_bytes), _mb(disk.write_bytes)) if disk else (0, 0, 0, 0)),
        *((_mb(network.bytes_sent), _mb(network.bytes_recv)) if network else (0, 0)),
        _connections("tcp"),
        _connections("udp"),
    )


def _connections(kind: str) -> object:
    """How many there are; nothing where the system does not tell."""
    import psutil

    try:
        return len(psutil.net_connections(kind))
    except (psutil.Error, OSError, RuntimeError):
        return ""


def _disks(paths: Iterable[Path]) -> Iterator[tuple[object, ...]]:
    """Each file system once, by the first of the paths in it."""
    import psutil

    seen = set[int]()
    for path in paths:
        device = os.stat(path).st_dev  # noqa: PTH116 - of a folder that is ours
        if device not in seen:
            seen.add(device)
            used = psutil.disk_usage(str(path))
            yield str(path), _mb(used.total), _mb(used.used), _mb(used.free), used.percent


def _process(process: "Process") -> tuple[object, ...]:
    with process.oneshot():
        times = process.cpu_times()
        return (
            process.pid,
            process.ppid(),
            process.name(),
            process.status(),
            process.cpu_percent(),
            round(times.user, 2),
            round(times.system, 2),
            _mb(process.memory_info().rss),
            process.num_threads(),
            process.num_fds(),
        )


def _listed(info: dict[str, object]) -> str:
    """A line of the list of processes, without their arguments: these may hold anything."""
    memory, times, share = info["memory_info"], info["cpu_times"], info["memory_percent"]
    created = info["create_time"]
    cells = (
        info["username"] or "?",
        info["pid"],
        info["ppid"],
        f"{share:.1f}" if isinstance(share, float) else "?",
        getattr(memory, "rss", 0) // 1024,
        info["status"] or "?",
        f"{datetime.fromtimestamp(created, UTC):%Y-%m-%dT%H:%M:%S}" if isinstance(created, float) else "?",
        f"{getattr(times, 'user', 0.0) + getattr(times, 'system', 0.0):.2f}",
        info["name"] or "?",
    )
    return " ".join(map(str, cells))


def _mb(size: float) -> float:
    return round(size / MB, 2)
