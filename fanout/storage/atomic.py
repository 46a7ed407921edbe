"""Files and folders of this machine that appear whole or not at all: made once, replaced, or moved.

With `durable` they are whole after a power cut, too: what is written is synced before its name appears, and the name
is synced before the call returns.
"""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LONGEST = 50
"""Characters of a name that a temporary one keeps: four bytes each at the most, and a name has 255."""


@contextmanager
def appearing(target: Path, *, durable: bool = True) -> Iterator[Path]:
    """Where to write what takes the place of `target` when all went well; else nothing is left. Folders are made."""
    with _aside(target, durable=durable) as partial:
        yield partial
        if durable:
            sync(partial)
        partial.replace(target)
    if durable:
        sync_folder(target.parent)


def create(target: Path, body: bytes, *, durable: bool = True) -> bool:
    """Whether `target` was made with this content; False when there is something already, which stays as it is."""
    with _aside(target, durable=durable) as partial:
        _write(partial, body, durable=durable)
        try:
            os.link(partial, target)
        except FileExistsError:
            return False
    if durable:
        sync_folder(target.parent)
    return True


def replace(target: Path, body: bytes, *, durable: bool = True) -> None:
    """`target` has this content, whatever was there."""
    with _aside(target, durable=durable) as partial:
        _write(partial, body, durable=durable)
        partial.replace(target)
    if durable:
        sync_folder(target.parent)


def move(source: Path, target: Path, *, durable: bool = True) -> bool:
    """The file, link or folder `source` is at `target`, in the place of a file that was there.

    False when there is no source: another process has moved the same file to its target.
    """
    try:
        make_folder(target.parent, durable=durable)
        if durable:
            sync(source)
        _rename(source, target, durable=durable)
    except FileNotFoundError:
        if os.path.lexists(source):
            raise
        return False
    if durable:
        sync_folder(target.parent)
    return True


def make_folder(folder: Path, *, durable: bool = True) -> None:
    """The folder exists, and those above it."""
    if folder.is_dir():
        return
    make_folder(folder.parent, durable=durable)
    with suppress(FileExistsError):
        folder.mkdir()
    if durable:
        sync_folder(folder.parent)


def sync(path: Path) -> None:
    """The content of a file, or of a folder and everything in it, is on the disk; links have none of their own."""
    if path.is_symlink():
        return
    if not path.is_dir():
        _sync(path, os.O_RDONLY)
        return
    for child in path.iterdir():
        sync(child)
    sync_folder(path)


def sync_folder(folder: Path) -> None:
    """The names in a folder are on the disk."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    except OSError as exc:
        if exc.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system on which there is nothing to sync
            raise
    finally:
        os.close(descriptor)


@contextmanager
def _aside(target: Path, *, durable: bool) -> Iterator[Path]:
    """A name of our own beside `target`, for which nothing is left."""
    make_folder(target.parent, durable=durable)
    # Neither people nor obstore see it in a listing: one looks past the dot, the other past # and digits.
    partial = target.with_name(f".{target.name[:LONGEST]}#{secrets.randbits(60)}")
    try:
        yield partial
    finally:
        _remove(partial)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _write(partial: Path, body: bytes, *, durable: bool) -> None:
    with partial.open("xb", buffering=0) as file:
        left = memoryview(body)
        while left:
            left = left[file.write(left) :]
        if durable:
            os.fsync(file.fileno())


def _rename(source: Path, target: Path, *, durable: bool) -> None:
    try:
        source.replace(target)
    except OSError as exc:
        if exc.errno != errno.EXDEV:
            raise
        # The source goes last: until then another mover finds it, and brings the same to the same target.
        with appearing(target, durable=durable) as partial:
            _copy(source, partial)
        _remove(source)


def _copy(source: Path, partial: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, partial, symlinks=True)
    else:
        shutil.copy2(source, partial, follow_symlinks=False)
