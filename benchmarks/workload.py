"""What there is to do: so many mini-batches of so many files, which are empty or read, and CPU time in each."""

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Workload:
    """Equal work for every contender."""

    mini_batches: int
    size: int = 1
    """Files in a mini-batch."""
    milliseconds: float = 0.0
    """CPU time of each call of run()."""
    sleeps: bool = False
    """The calls sleep: a server on the same machine takes no time of theirs. For fanout only."""
    file_bytes: int = 0
    """Of each file; those that hold something are read."""

    @property
    def options(self) -> tuple[str, ...]:
        """How the function that everybody calls is told what to do."""
        wishes = (("--reads", self.file_bytes), ("--sleeps", self.sleeps))
        return "--milliseconds", f"{self.milliseconds:g}", *(option for option, wanted in wishes if wanted)

    @property
    def files(self) -> int:
        return self.mini_batches * self.size

    def scaled(self, factor: float) -> "Workload":
        """As many mini-batches times `factor`, at least two."""
        return replace(self, mini_batches=max(2, round(self.mini_batches * factor)))

    def ideal_seconds(self, slots: int) -> float:
        """How long the calls take when nothing is lost."""
        return self.mini_batches * self.milliseconds / 1000 / slots


def input_folder(workload: Workload, scratch: Path) -> Path:
    """A folder with the workload's files; made once for all workloads with as many of the same size."""
    folder = scratch / f"files-{workload.files}-{workload.file_bytes}"
    if not folder.exists():
        folder.mkdir(parents=True)
        content = b"x" * workload.file_bytes
        for number in range(workload.files):
            (folder / f"{number:07d}").write_bytes(content)
    return folder
