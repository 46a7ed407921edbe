"""What a node uses of its machine: the files, their columns, and when they are written."""

import asyncio
import csv
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fanout.node.telemetry import FIRST_LOOK, Usage, usage_written

NOON = datetime(2026, 11, 25, 12, 7, 5, tzinfo=UTC)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_two_looks(tmp_path: Path) -> None:
    """A row each in the file of the node, one for each file system, one for each process; the list of all processes."""
    usage = Usage(tmp_path / "perf", [tmp_path, tmp_path])
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        usage.look(NOON)
        usage.look(NOON.replace(minute=8))
        child.communicate(b"\n")
    node = _rows(tmp_path / "perf/node_resource_usage.csv")
    assert [row["Utc Time"] for row in node] == ["2026-11-25T12:07:05", "2026-11-25T12:08:05"]
    assert all(float(row["Memory Total (MB)"]) > float(row["Memory Available (MB)"]) > 0 for row in node)
    assert [row["Path"] for row in _rows(tmp_path / "perf/node_disk_usage.csv")] == [str(tmp_path)] * 2
    processes = _rows(tmp_path / "perf/processes_resource_usage.csv")
    seen = {(row["Utc Time"][14:16], int(row["Pid"]), int(row["Parent Pid"])) for row in processes}
    assert {("07", child.pid, os.getpid()), ("08", child.pid, os.getpid())} <= seen
    listed = (tmp_path / "perf/os/2026112512/processes_07").read_text()
    assert any(line.split()[1] == str(os.getpid()) for line in listed.splitlines())
    assert (tmp_path / "perf/os/2026112512/processes_08").exists()


def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: Any) -> None:
    """The work of the node is worth more."""
    (tmp_path / "perf").touch()
    Usage(tmp_path / "perf", [tmp_path]).look(NOON)
    assert "could not be written down" in caplog.text


class _Counting(Usage):
    """Notes when it looks."""

    def __init__(self) -> None:
        super().__init__(Path(), [])
        self.looks: list[float] = []

    def look(self, now: datetime) -> None:
        self.looks.append(now.timestamp() - 1_700_000_000.0)


async def _until(clock: Any, usage: _Counting, looks: int) -> None:
    """Turns the clock until so many looks have been taken, in their threads."""
    while len(usage.looks) < looks:
        clock.advance(10.0)
        await asyncio.sleep(0.001)


async def test_looks_are_taken_at_the_interval(manual_clock: Any) -> None:
    """The first one soon, however long the interval; then one an interval."""
    usage = _Counting()
    async with usage_written(usage, 600, manual_clock):
        await _until(manual_clock, usage, 2)
    first, second = usage.looks
    assert first >= FIRST_LOOK
    assert second - first >= 600


async def test_zero_means_never(manual_clock: Any) -> None:
    """The reference's way to turn it off."""
    usage = _Counting()
    async with usage_written(usage, 0, manual_clock):
        await manual_clock.run(30, step=1.0)
    assert usage.looks == []
