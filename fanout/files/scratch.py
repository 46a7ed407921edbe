"""The scratch folder of a process: gone with it, or, when it was killed, with the next one that comes or goes here.

Each folder holds a file that its process keeps locked as long as it lives; the kernel gives the lock up when it dies.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MARK = ".fanout-scratch"


@contextmanager
def scratch_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """A new folder in `parent`, or in the machine's temporary folder; those of processes that died there go."""
    place = Path(tempfile.gettempdir()) if parent is None else parent
    place.mkdir(parents=True, exist_ok=True)
    sweep(place)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place)).absolute()
    mark = os.open(folder / "unmarked", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(mark, fcntl.LOCK_EX)
        (folder / "unmarked").rename(folder / MARK)  # the mark of a living process always has its lock
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(mark)
        sweep(place)


def sweep(parent: Path) -> None:
    """No folder in `parent` belongs to a process of ours that is dead."""
    for mark in parent.glob(f"*/{MARK}"):
        with suppress(OSError):  # it went meanwhile, or belongs to another user
            if mark.parent.lstat().st_uid == os.getuid() and not mark.parent.is_symlink() and _is_free(mark):
                shutil.rmtree(mark.parent, ignore_errors=True)


def _is_free(mark: Path) -> bool:
    descriptor = os.open(mark, os.O_RDWR | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_uid != os.getuid():
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
