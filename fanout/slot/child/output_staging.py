"""Output folders of a slot: what user code writes is staged per attempt, and kept only when the attempt succeeds.

Runs inside the slot, so that the files of one attempt never mix with those of the next.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

from fanout.backports import dataclass
from fanout.errors import EntryScriptError
from fanout.files.local_folder import files_below

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

LONGEST_NAME = 640
"""Bytes of `<output>/<path>`: what S3's limit of 1,024 leaves beside a prefix, the run, the step and the attempt."""
_SPOILS_A_KEY = re.compile(r"[\\\x00-\x1f\x7f\ud800-\udfff]")
"""Surrogates stand for bytes of a file name that are no UTF-8."""


@dataclass(frozen=True, slots=True)
class OutputFolders:
    """The slot's own folder of each output, and where the files of a finished attempt are put aside."""

    folders: Mapping[str, Path]
    attempts: Path
    process: str

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.folders)

    def create(self) -> None:
        """The folders exist before the script starts."""
        for folder in self.folders.values():
            folder.mkdir(parents=True, exist_ok=True)

    def set_aside(self, attempt: str) -> tuple[str, ...]:
        """Moves what is in the folders to <attempts>/<attempt>-<process>; the files, `<output>/<path>`, sorted.

        EntryScriptError when one of them has a name that not every store can hold.
        """
        written = {name: folder for name, folder in self.folders.items() if _holds_something(folder)}
        if not written:
            return ()
        target = self.attempts / f"{attempt}-{self.process}"
        shutil.rmtree(target, ignore_errors=True)  # of an earlier delivery of the same message
        target.mkdir(parents=True)
        for name, folder in written.items():
            folder.rename(target / name)
        self.create()
        files = tuple(files_below(target))
        _check_names(files)
        return files

    def discard(self) -> None:
        """A failed attempt leaves nothing behind."""
        for folder in self.folders.values():
            if _holds_something(folder):
                shutil.rmtree(folder, ignore_errors=True)
        self.create()


def _check_names(files: Iterable[str]) -> None:
    for file in files:
        if len(os.fsencode(file)) > LONGEST_NAME:
            raise EntryScriptError(
                f"the script wrote an output file with a name of {len(os.fsencode(file))} bytes, {file[:80]!r}…; "
                f"expected at most {LONGEST_NAME}, since keys of object stores have 1,024 in all"
            )
        if _SPOILS_A_KEY.search(file):
            raise EntryScriptError(
                f"the script wrote the output file {file!r}: its name must be UTF-8 without backslashes and control "
                "characters, since it becomes part of a URI"
            )


def _holds_something(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except FileNotFoundError:  # the script has removed its own output folder
        return False
