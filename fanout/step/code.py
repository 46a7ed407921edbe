"""The snapshot of a code folder: a zip archive, named by its content, so that equal code is stored once."""

import errno
import hashlib
import io
import os
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fanout.errors import DamagedRecordError, InputError, StoreError

LEFT_OUT = frozenset({"__pycache__", ".git", ".fanout", ".venv", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache"})
LARGEST = 300 * 1024 * 1024
"""Bytes of a code folder; Azure's own limit for a snapshot. Larger ones are data that ended up in the wrong place."""
EARLIEST = (1980, 1, 1, 0, 0, 0)
_OF_NAMES = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL)
"""What the system says of members whose names cannot be; anything else is about this machine."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A code folder as it was: `digest` is the SHA-256 of the archive."""

    digest: str
    archive: bytes


def snapshot(folder: Path, *, without: Path | None = None) -> Snapshot:
    """The folder's files as they are now, in an order and with times that make equal folders equal archives.

    `without` is left out: the store, which may lie inside the code folder. InputError when the
    folder is too large, or holds a file that cannot be read or whose name no archive can hold.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: the code folder is not there")
    buffer, size = io.BytesIO(), 0
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in _files(folder, without):
            size += path.stat().st_size
            if size > LARGEST:
                raise InputError(
                    f"{folder}: the code folder holds more than {LARGEST // 1024**2} MiB; move data out of it"
                )
            info = zipfile.ZipInfo(_member_name(path.relative_to(folder)), EARLIEST)
            info.external_attr = (stat.S_IFREG | (path.stat().st_mode & 0o755)) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, _content(path))
    body = buffer.getvalue()
    return Snapshot(hashlib.sha256(body).hexdigest(), body)


def _member_name(path: Path) -> str:
    name = path.as_posix()
    if "\\" in name or any("\ud800" <= char <= "\udfff" for char in name):
        raise InputError(f"code: {name!r}: the name of a file of code must be UTF-8 without backslashes; rename it")
    return name


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise InputError(f"code: {path} cannot be read: {exc.strerror}") from exc


def _files(folder: Path, without: Path | None) -> list[Path]:
    """Links to files are followed, as they are part of the code; links to folders are not."""
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in LEFT_OUT and Path(root, name) != without]
        found += [Path(root, name) for name in names]
    return sorted(path for path in found if path.is_file())


def unpack(archive: bytes, digest: str, folder: Path) -> None:
    """The snapshot's files are in `folder`; DamagedRecordError when it is not what `digest` says or leads out of it."""
    if hashlib.sha256(archive).hexdigest() != digest:
        raise DamagedRecordError(f"code/{digest}.zip: altered since it was written")
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as members:
            _extract(members, digest, folder)
    except OSError as exc:
        if exc.errno not in _OF_NAMES:
            raise StoreError(f"code/{digest}.zip: cannot be unpacked here: {exc}") from exc
        raise DamagedRecordError(f"code/{digest}.zip: cannot be unpacked: {exc}") from exc
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        ValueError,
        EOFError,
        NotImplementedError,
        RuntimeError,
    ) as exc:
        raise DamagedRecordError(f"code/{digest}.zip: cannot be unpacked: {exc}") from exc


def _extract(members: zipfile.ZipFile, digest: str, folder: Path) -> None:
    infos = members.infolist()
    if sum(info.file_size for info in infos) > LARGEST:
        raise DamagedRecordError(f"code/{digest}.zip: unpacks to more than {LARGEST // 1024**2} MiB")
    for info in infos:
        target = folder / _confined(info, digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(members.read(info))
        target.chmod((info.external_attr >> 16) & 0o755 | 0o600)


def _confined(info: zipfile.ZipInfo, digest: str) -> PurePosixPath:
    path = PurePosixPath(info.filename)
    mode = info.external_attr >> 16
    outside = path.is_absolute() or ".." in path.parts or not path.parts
    if outside or "\\" in info.filename or not stat.S_ISREG(mode):
        raise DamagedRecordError(f"code/{digest}.zip: {info.filename!r} may not be in a snapshot")
    return path


def differences(one: bytes, other: bytes) -> list[str]:
    """The names of the files in which two snapshots differ, sorted."""
    with zipfile.ZipFile(io.BytesIO(one)) as first, zipfile.ZipFile(io.BytesIO(other)) as second:
        before, now = ({info.filename: info.CRC for info in archive.infolist()} for archive in (first, second))
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
