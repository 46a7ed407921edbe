"""Reads from the kernel's counters whether processes were killed because memory ran out.

Light, since engines import it.
"""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path("/")
_V1, _V2 = "sys/fs/cgroup/memory", "sys/fs/cgroup"
_NO_LIMIT = 2**60
MB = 1024 * 1024


@dataclass(slots=True)
class OomKills:
    """Counts the kernel's kills since it was made, in the control group of this process and on the machine."""

    root: Path = ROOT
    _seen: dict[Path, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._seen = self._counts()

    def take_one(self) -> bool:
        """Whether there was a kill that is not yet assigned to a process; assigns it to the caller's."""
        now, found = self._counts(), False
        for path, count in now.items():
            if count > self._seen.get(path, 0):
                self._seen[path] = self._seen.get(path, 0) + 1
                found = True
        return found

    def limit(self) -> str:
        """How much memory the processes here may use together, in words; "" where only the machine limits it."""
        for folder, name in ((_V2, "memory.max"), (_V1, "memory.limit_in_bytes")):
            for path in self._files(folder, name):
                with contextlib.suppress(OSError, ValueError):
                    size = int(path.read_text())
                    return f" (the limit here is {size / MB:.0f} MB)" if size < _NO_LIMIT else ""
        return ""

    def _counts(self) -> dict[Path, int]:
        """The counters that there are: of the control group, by version 2 or 1, and of the whole machine."""
        paths = [*self._files(_V2, "memory.events"), *self._files(_V1, "memory.oom_control"), self.root / "proc/vmstat"]
        found = {path: _count(path) for path in paths}
        return {path: count for path, count in found.items() if count is not None}

    def _files(self, folder: str, name: str) -> list[Path]:
        """The file of our group, or of the root of what this container sees."""
        groups = [group for group in (self._group(v1=folder == _V1), "") if group is not None]
        paths = (self.root / folder / group / name for group in groups)
        return [path for path in paths if path.exists()][:1]

    def _group(self, *, v1: bool) -> str | None:
        with contextlib.suppress(OSError, ValueError):
            for line in (self.root / "proc/self/cgroup").read_text().splitlines():
                _, controllers, group = line.split(":", 2)
                if ("memory" in controllers.split(",")) if v1 else not controllers:
                    return group.strip("/")
        return None


def _count(path: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return None


def of_slot(kills: OomKills) -> str:
    """The end of a slot's process that the kernel has killed for memory."""
    return (
        f"the kernel killed the slot's process because memory ran out{kills.limit()}: fewer slots "
        "(max_concurrency_per_instance) or smaller mini-batches need less, a larger machine or limit has more"
    )


def of_node(kills: OomKills) -> str:
    """The end of a whole node."""
    return (
        f"a node was killed by the kernel because memory ran out{kills.limit()}, with everything that ran on it: fewer "
        "slots (max_concurrency_per_instance) or nodes (resources.instance_count) need less, a larger machine or limit "
        "has more"
    )
