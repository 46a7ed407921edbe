"""File systems of this machine that have no room left: how that shows, and what is said of it."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fanout.errors import DiskFullError, QueueFullError

_NUMBERS = (errno.ENOSPC, errno.EDQUOT)
_WORDS = ("No space left on device", "Disk quota exceeded", "database or disk is full")
LITTLE = 64 * 1024
"""Bytes with which nothing can be done: errors of input and output are because of that."""


def is_full(error: BaseException) -> bool:
    """Whether the error is that there was no room."""
    return getattr(error, "errno", None) in _NUMBERS or any(word in str(error) for word in _WORDS)


def has_little(place: Path) -> bool:
    """Whether the file system of `place` has next to no room."""
    try:
        return shutil.disk_usage(_existing(place)).free < LITTLE
    except OSError:
        return False


def full(place: Path | str | None, needed: int | None = None) -> str:
    """`no space left in /mnt (12 KiB of 40.0 MiB are free, 512 KiB needed)`: the file system of `place`."""
    place = place or next(filter(has_little, _usual_places()), None)
    if place is None:
        return "no space left on its file system"
    existing = _existing(Path(place))
    try:
        usage = shutil.disk_usage(existing)
    except OSError:
        return f"no space left in {existing}"
    wanted = "" if needed is None or needed <= usage.free else f", {_size(needed)} needed"
    return f"no space left in {_mount(existing)} ({_size(usage.free)} of {_size(usage.total)} are free{wanted})"


def lacks_room(error: BaseException) -> bool:
    """Whether the error is one of ours, or of the system, that says so."""
    return isinstance(error, (DiskFullError, QueueFullError)) or (isinstance(error, OSError) and is_full(error))


def as_disk_full(error: BaseException) -> BaseException:
    """The error that `lacks_room`, as one of ours."""
    return DiskFullError(full(error.filename)) if isinstance(error, OSError) else error


@contextmanager
def room_in(place: Path) -> Iterator[None]:
    """What is written in the context goes to `place`: DiskFullError when there is no room."""
    try:
        yield
    except OSError as exc:
        if is_full(exc):
            raise DiskFullError(full(place)) from exc
        raise


def _usual_places() -> tuple[Path, ...]:
    """Where files are written of which an error does not say the name."""
    return (Path(os.curdir), Path(tempfile.gettempdir()), Path("/dev/shm"))  # noqa: S108 - looked at


def _existing(place: Path) -> Path:
    return next((folder for folder in (place, *place.parents) if folder.exists()), Path("/"))


def _mount(place: Path) -> Path:
    place = place.absolute()
    return next(folder for folder in (place, *place.parents) if os.path.ismount(folder))


def _size(count: int) -> str:
    for unit, size in (("GiB", 1024**3), ("MiB", 1024**2)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1024:.0f} KiB"
