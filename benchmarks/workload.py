"""What there is to do: so many mini-batches of so many empty files, and CPU time in each."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Workload:
    """Equal work for every contender."""

    mini_batches: int
    size: int = 1
    """Files in a mini-batch."""
    milliseconds: float = 0.0
    """CPU time of each call of run()."""

    @property
    def files(self) -> int:
        return self.mini_batches * self.size

    def scaled(self, factor: float) -> "Workload":
        """As many mini-batches times `factor`, at least two."""
        return Workload(max(2, round(self.mini_batches * factor)), self.size, self.milliseconds)

    def ideal_seconds(self, slots: int) -> float:
        """How long the calls take when nothing is lost."""
        return self.mini_batches * self.milliseconds / 1000 / slots


def input_folder(workload: Workload, scratch: Path) -> Path:
    """A folder with the workload's files, which are empty; made once for all workloads with as many."""
    folder = scratch / f"files-{workload.files}"
    if not folder.exists():
        folder.mkdir(parents=True)
        for number in range(workload.files):
            (folder / f"{number:07d}").touch()
    return folder
