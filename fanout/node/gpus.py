"""Which GPU each process of a node sees (reference, section 6).

A process that starts gets the first GPU that no other has, and none when all are taken; it is given back when the
process ends. Scripts see it as the only one there is, through CUDA_VISIBLE_DEVICES.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fanout.records.step import StepRecord

DRIVER = Path("/proc/driver/nvidia/gpus")
VISIBLE, COUNT = "CUDA_VISIBLE_DEVICES", "AZ_BATCHAI_GPU_COUNT_FOUND"


def gpus_of(environ: Mapping[str, str], driver: Path = DRIVER) -> tuple[str, ...]:
    """The GPUs that this machine has for us, by the names that CUDA_VISIBLE_DEVICES takes.

    Those that CUDA_VISIBLE_DEVICES names; else as many as AZ_BATCHAI_GPU_COUNT_FOUND says, or as the driver has.
    """
    if (visible := environ.get(VISIBLE)) is not None:
        return tuple(name for part in visible.split(",") if (name := part.strip()) and name != "-1")
    if (count := environ.get(COUNT, "")).isdigit():
        return tuple(map(str, range(int(count))))
    try:
        return tuple(map(str, range(len(os.listdir(driver)))))  # noqa: PTH208 - names are enough
    except OSError:
        return ()


@dataclass(slots=True)
class Gpus:
    """The GPUs of a node, and which process has which."""

    names: tuple[str, ...]
    _taken: dict[str, str] = field(default_factory=dict)  # GPU by process

    def take(self, process: str) -> dict[str, str]:
        """The variables that show the process its GPU, or that it has none; {} where there are no GPUs at all."""
        if not self.names:
            return {}
        free = [name for name in self.names if name not in self._taken.values()]
        if free:
            self._taken[process] = free[0]
        return {VISIBLE: free[0] if free else "", COUNT: str(len(self.names))}

    def release(self, process: str) -> None:
        """The process has ended; no error when it had none."""
        self._taken.pop(process, None)


def slots_of(record: StepRecord) -> int:
    """Slots a node: as asked for, else one where there is a GPU, else one a core that this process may use.

    Reference, section 2.
    """
    asked = record.step.max_concurrency_per_instance
    if asked is not None and asked >= 1:
        return asked
    return 1 if gpus_of(os.environ) else processors()


def processors(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Cores that this process may use, in a container no more than its limit (cgroup v2) comes to."""
    cores = len(os.sched_getaffinity(0))
    try:
        allowed, period = quota.read_text().split()
        return cores if allowed == "max" else max(1, min(cores, math.ceil(int(allowed) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):  # no container, or one that does not say
        return cores
