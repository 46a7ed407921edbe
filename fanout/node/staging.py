"""Output folders of a slot: what user code writes is staged per attempt, and kept only when the attempt succeeds.

Runs inside the slot, so that the files of one attempt never mix with those of the next.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fanout.data.folder import files_below


@dataclass(frozen=True, slots=True)
class OutputFolders:
    """The slot's own folder of each output, and where the files of a finished attempt are put aside."""

    folders: Mapping[str, Path]
    attempts: Path
    process: str

    def create(self) -> None:
        """The folders exist before the script starts."""
        for folder in self.folders.values():
            folder.mkdir(parents=True, exist_ok=True)

    def set_aside(self, attempt: str) -> tuple[str, ...]:
        """Moves what is in the folders to <attempts>/<attempt>-<process>; the files, `<output>/<path>`, sorted."""
        written = {name: folder for name, folder in self.folders.items() if _holds_something(folder)}
        if not written:
            return ()
        target = self.attempts / f"{attempt}-{self.process}"
        shutil.rmtree(target, ignore_errors=True)  # of an earlier delivery of the same message
        target.mkdir(parents=True)
        for name, folder in written.items():
            folder.rename(target / name)
        self.create()
        return tuple(files_below(target))

    def discard(self) -> None:
        """A failed attempt leaves nothing behind."""
        for folder in self.folders.values():
            if _holds_something(folder):
                shutil.rmtree(folder, ignore_errors=True)
        self.create()


def _holds_something(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except FileNotFoundError:  # the script has removed its own output folder
        return False
