"""The snapshot of a code folder: a zip archive, named by its content, so that equal code is stored once."""

import errno
import hashlib
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from fanout.code_snapshots.selection import IGNORE_FILES, CodeFiles, Places, Why, code_files, largest, names_by_reason
from fanout.errors import DamagedRecordError, DiskFullError, InputError, StoreError
from fanout.storage.disk_space import full, is_full

LARGEST = 300 * 1024 * 1024
"""Bytes of a code folder; Azure's own limit for a snapshot. Larger ones are data that ended up in the wrong place."""
LARGE = 100 * 1024 * 1024
"""Bytes of a code folder from which on a run says what makes it large."""
PACKED = 4 * 1024 * 1024
"""Bytes up to which a file is compressed: larger ones are data, which takes longer to compress than to store."""
EARLIEST = (1980, 1, 1, 0, 0, 0)
_OF_NAMES = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL)
"""What the system says of members whose names cannot be; anything else is about this machine."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A code folder as it was: `digest` is the SHA-256 of the archive."""

    digest: str
    archive: bytes
    taken: CodeFiles = field(default=CodeFiles((), ()), compare=False)  # what of the folder is in it, and what is not

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.taken.files)


def snapshot(folder: Path, places: Places = Places()) -> Snapshot:  # noqa: B008 - frozen
    """The folder's files as they are now, in an order and with times that make equal folders equal archives.

    InputError when the folder is too large, or holds a file that cannot be read or whose name no archive can hold.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: the code folder is not there")
    try:
        taken = code_files(folder, places)
    except OSError as exc:
        raise InputError(f"code: {exc.filename} cannot be read: {exc.strerror}") from exc
    if sum(file.size for file in taken.files) > LARGEST:
        raise InputError(f"{folder}: the code folder holds more than {LARGEST // 1024**2} MiB; {_mend(folder, taken)}")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in taken.files:
            info = zipfile.ZipInfo(_member_name(file.name), EARLIEST)
            info.external_attr = (stat.S_IFREG | (file.mode & 0o755)) << 16
            info.compress_type = zipfile.ZIP_DEFLATED if file.size <= PACKED else zipfile.ZIP_STORED
            archive.writestr(info, _content(file.path))
    body = buffer.getvalue()
    return Snapshot(hashlib.sha256(body).hexdigest(), body, taken)


def notices(folder: Path, taken: Snapshot) -> list[str]:
    """Notices about the snapshot: what is missing in it, and what makes it large."""
    found = [
        f"{folder}: left out of the code: {_some(names)} ({why.value})"
        for why, names in names_by_reason(taken.taken.left_out, NOTICED)
    ]
    if taken.size > LARGE:
        found.append(
            f"{folder}: the code is {taken.size / 1024**2:,.0f} MiB, which the store and each node keep; "
            f"{_mend(folder, taken.taken)}"
        )
    return found


NOTICED = (Why.SECRET, Why.LINK, Why.INPUT)
"""What a script might miss. Caches, former outputs, and what the user names in an ignore file go without saying."""
MOST_NAMED = 5


def _mend(folder: Path, taken: CodeFiles) -> str:
    most = largest(taken.files, 3)
    entries = ", ".join(f"{name} ({size / 1024**2:,.0f} MiB)" for name, size in most if size * 50 >= most[0][1])
    return f"most of it is {entries}; move data out of it, or name it in {folder / IGNORE_FILES[0]}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _member_name(name: str) -> str:
    if "\\" in name or any("\ud800" <= char <= "\udfff" for char in name):
        raise InputError(f"code: {name!r}: the name of a file of code must be UTF-8 without backslashes; rename it")
    return name


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise InputError(f"code: {path} cannot be read: {exc.strerror}") from exc


def unpack(archive: bytes, digest: str, folder: Path) -> None:
    """The snapshot's files are in `folder`; DamagedRecordError when it is not what `digest` says or leads out of it."""
    if hashlib.sha256(archive).hexdigest() != digest:
        raise DamagedRecordError(f"code/{digest}.zip: altered since it was written")
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as members:
            _extract(members, digest, folder)
    except OSError as exc:
        if is_full(exc):
            raise DiskFullError(f"code/{digest}.zip: cannot be unpacked: {full(folder)}") from exc
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
    context = path.is_absolute() or ".." in path.parts or not path.parts
    if context or "\\" in info.filename or not stat.S_ISREG(mode):
        raise DamagedRecordError(f"code/{digest}.zip: {info.filename!r} may not be in a snapshot")
    return path


def differences(one: bytes, other: bytes) -> list[str]:
    """The names of the files in which two snapshots differ, sorted."""
    with zipfile.ZipFile(io.BytesIO(one)) as first, zipfile.ZipFile(io.BytesIO(other)) as second:
        before, now = ({info.filename: info.CRC for info in archive.infolist()} for archive in (first, second))
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
