"""`./outputs` and `./logs` of a command: Azure's default folders, whose files it keeps without being asked.

They are there before the command starts. What it leaves in `./outputs` becomes part of an output named `artifacts`,
where the step has one and exit code 0; else it lies under `artifacts/outputs` of the step. What it leaves in
`./logs` is among the logs of the step. Files that came with the code, and are as they were, stay out.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fanout.files.local_folder import files_below
from fanout.files.transfer import some_at_once, upload_file
from fanout.pipeline.model import DataType
from fanout.records.step import BoundOutput
from fanout.storage import keys
from fanout.storage.keys import StepRound

if TYPE_CHECKING:
    from obstore.store import ObjectStore

OUTPUTS, LOGS = "outputs", "logs"
NAMED = "artifacts"

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class DefaultFolders:
    """Both folders of one command, and the files that were in them before it."""

    cwd: Path
    before: Mapping[Path, Stamp]

    def made(self, folder: str) -> list[str]:
        """The files below one of them that the command has made or changed, relative; links out of it are left."""
        root = self.cwd / folder
        if not root.is_dir() or root.is_symlink():
            return []
        files = [name for name in files_below(root) if not (root / name).is_symlink()]
        return [name for name in files if self.before.get(root / name) != _stamp(root / name)]

    def hand_over(self, outputs: Mapping[str, BoundOutput], staged: Mapping[str, Path]) -> None:
        """What is in ./outputs belongs to the output named `artifacts` from here on; what that has already stays."""
        if NAMED not in outputs or outputs[NAMED].type is DataType.URI_FILE:
            return
        for name in self.made(OUTPUTS):
            target = staged[NAMED] / name
            if not os.path.lexists(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                (self.cwd / OUTPUTS / name).replace(target)

    async def keep(self, store: "ObjectStore", at: StepRound) -> int:
        """What is left in them is in the store; how many files of ./outputs that are."""
        made = self.made(OUTPUTS)
        places = [(self.cwd / OUTPUTS / name, f"{keys.artifacts(at)}{OUTPUTS}/{name}") for name in made]
        places += [(self.cwd / LOGS / name, f"{keys.logs(at)}{name}") for name in self.made(LOGS)]
        await some_at_once(upload_file(file, store, key) for file, key in places)
        return len(made)


def default_folders(cwd: Path) -> DefaultFolders:
    """The folders, which are there now."""
    before: dict[Path, Stamp] = {}
    for folder in (OUTPUTS, LOGS):
        root = cwd / folder
        if not os.path.lexists(root):
            root.mkdir(parents=True)
        if root.is_dir():
            before |= {root / name: _stamp(root / name) for name in files_below(root)}
    return DefaultFolders(cwd, before)


def _stamp(file: Path) -> Stamp:
    found = file.lstat()
    return found.st_ino, found.st_size, found.st_mtime_ns
