"""Takes known credentials out of files that user code has written: logs, before anybody else gets to see them.

Masked in place, byte by byte: a process may still be writing to the end of the file.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MASK = b"*"
WINDOW = 4 * 1024 * 1024

log = logging.getLogger(__name__)


def mask_folder(folder: Path, secrets: Sequence[str]) -> int:
    """None of `secrets` is in any file below `folder`, links left alone; how many places were masked.

    A file that cannot be written is a warning: it belongs to another user.
    """
    wanted = [secret.encode("utf-8", "surrogateescape") for secret in secrets]
    masked = 0
    for path in _files(folder) if wanted else ():
        try:
            masked += _mask(path, wanted)
        except OSError as exc:
            log.warning("%s: credentials in it, if any, cannot be masked: %s", path, exc)
    return masked


def mask_file(path: Path, secrets: Sequence[str]) -> int:
    """As `mask_folder`, of one file; OSError when it cannot be read or written."""
    return _mask(path, [secret.encode("utf-8", "surrogateescape") for secret in secrets]) if secrets else 0


@dataclass(slots=True)
class GrowingFiles:
    """Files below some folders to which others write: each pass masks what is new, where it stands."""

    folders: Sequence[Path]
    secrets: Sequence[str]
    _masked: dict[Path, int] = field(default_factory=dict)

    def mask(self) -> int:
        """None of `secrets` is in what has been written whole until now; how many places were masked."""
        wanted = [secret.encode("utf-8", "surrogateescape") for secret in self.secrets]
        overlap = max(map(len, wanted), default=1) - 1
        masked = 0
        for path in (file for folder in self.folders for file in _files(folder)) if wanted else ():
            try:
                size, before = path.stat().st_size, self._masked.get(path, 0)
                if size > before:  # the end of what was looked at may have been the beginning of a credential
                    masked += _mask(path, wanted, max(0, before - overlap))
                    self._masked[path] = size
            except OSError as exc:
                log.debug("%s: masked later: %s", path, exc)
        return masked


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _mask(path: Path, secrets: Sequence[bytes], at: int = 0) -> int:
    masked, overlap = 0, max(map(len, secrets)) - 1
    with path.open("r+b", buffering=0) as file:
        while window := os.pread(file.fileno(), WINDOW, at):
            for start, stop in _found(window, secrets):
                os.pwrite(file.fileno(), MASK * (stop - start), at + start)
                masked += 1
            if len(window) <= overlap:
                break
            at += len(window) - overlap
    return masked


def _found(window: bytes, secrets: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    for secret in secrets:
        at = window.find(secret)
        while at >= 0:
            yield at, at + len(secret)
            at = window.find(secret, at + len(secret))
