"""File systems of a test's own: one that loses what was not synced when its power is cut, and one that is small.

They are mounted, which only root may do; elsewhere tests that need them are skipped, with that as the reason.
"""

import fcntl
import os
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN: _IOR('X', 125, __u32)
_DISCARD_ALL = 2  # not even the journal is written: what the disk has by now is all there is
HARSH = "data=writeback,noauto_da_alloc,commit=1"
"""Names are on the disk after a second, contents after half a minute or when they are synced: nothing helps those who
forget to sync."""


def why_not() -> str | None:
    """Why no file system can be mounted here; None when it can."""
    if os.geteuid() != 0:
        return "only root may mount a file system"
    if not Path("/dev/loop-control").exists() or shutil.which("mkfs.ext4") is None:
        return "there are no loop devices, or no mkfs.ext4"
    return None


@dataclass(frozen=True)
class Disk:
    """An ext4 file system in a file; mounted at `place`."""

    image: Path
    place: Path
    options: str

    def mount(self) -> None:
        """It can be used; what its journal holds is taken over, as after a power cut."""
        _run("mount", "-o", f"loop,{self.options}", str(self.image), str(self.place))

    def unmount(self) -> None:
        """It cannot be used any more; whoever does is killed."""
        while subprocess.run(["umount", str(self.place)], capture_output=True, check=False).returncode:
            for process in _users(self.place):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.01)

    def cut(self) -> None:
        """From now on nothing reaches the disk, and everybody who uses it gets an error."""
        descriptor = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _DISCARD_ALL))
        finally:
            os.close(descriptor)


def _users(place: Path) -> list[int]:
    """Processes that work in the folder, or have a file of it open."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        for link in (process / "cwd", *process.glob("fd/*")):
            with suppress(OSError):
                if link.readlink().is_relative_to(place) and process.name != str(os.getpid()):
                    found.append(int(process.name))
                    break
    return found


@contextmanager
def disk(folder: Path, size: str = "192M", options: str = HARSH) -> Iterator[Disk]:
    """A new file system, mounted while the context lasts."""
    found = Disk(folder / "disk.img", folder / "disk", options)
    found.place.mkdir()
    _run("truncate", "-s", size, str(found.image))
    _run("mkfs.ext4", "-q", "-F", str(found.image))
    found.mount()
    try:
        yield found
    finally:
        _run("umount", "--lazy", str(found.place))
        found.image.unlink()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A new file system in memory that holds no more than `size`."""
    place = folder / "small"
    place.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place))
    try:
        yield place
    finally:
        _run("umount", "--lazy", str(place))


def grow(place: Path, size: str) -> None:
    """The file system in memory holds `size` from now on."""
    _run("mount", "-o", f"remount,size={size}", str(place))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
