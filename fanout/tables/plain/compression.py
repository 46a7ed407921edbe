"""Compressed files of text: found out by their first bytes, read as a stream, a bounded part of them in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from fanout.errors import InputError
from fanout.files import uris
from fanout.storage.disk_space import is_full

if TYPE_CHECKING:
    import pyarrow as pa

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_STEP = 4 * 1024 * 1024
HEAD = 4
"""Bytes that show how a file is compressed."""


def codec_of(head: bytes) -> str | None:
    """How a file that begins with these bytes is compressed; None when it is not. No text begins so."""
    return next((codec for magic, codec in _MAGIC.items() if head.startswith(magic)), None)


@contextmanager
def unpacked(file: IO[bytes], codec: str, uri: str) -> Iterator["pa.NativeFile"]:
    """What is in a compressed file, as a stream; InputError, naming `uri`, when it is damaged or cut off."""
    import pyarrow as pa

    try:
        with pa.CompressedInputStream(pa.PythonFile(file, "r"), codec) as stream:
            yield stream
    except (pa.ArrowException, OSError) as exc:
        if isinstance(exc, OSError) and is_full(exc):
            raise  # of the target, not of the file
        raise InputError(f"{uris.display(uri)}: cannot be read as {codec}: {exc}") from exc


def read_unpacked(file: IO[bytes], codec: str, uri: str, start: int, stop: int | None) -> bytes:
    """The bytes `[start, stop)` of what is in a compressed file, or all; what is before them is passed over."""
    with unpacked(file, codec, uri) as stream:
        left = start
        while left and (passed := len(stream.read(min(left, _STEP)))):
            left -= passed
        found: bytes = stream.read() if stop is None else _exactly(stream, stop - start)
    return found


def _exactly(stream: "pa.NativeFile", size: int) -> bytes:
    parts: list[bytes] = []
    while size and (part := stream.read(min(size, _STEP))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def unpack(file: IO[bytes], codec: str, uri: str, target: IO[bytes]) -> int:
    """Everything that is in a compressed file goes to `target`; how many bytes that is."""
    size = 0
    with unpacked(file, codec, uri) as stream:
        while part := stream.read(_STEP):
            target.write(part)
            size += len(part)
    return size


def head_of(packed: bytes, codec: str, size: int, uri: str) -> bytes:
    """The first `size` bytes, or fewer, of what is in a compressed file, by its first bytes."""
    import pyarrow as pa

    parts: list[bytes] = []
    try:
        with pa.CompressedInputStream(pa.BufferReader(packed), codec) as stream:
            while size and (part := stream.read(min(size, 64 * 1024))):
                parts.append(part)
                size -= len(part)
    except (pa.ArrowException, OSError) as exc:
        if not parts and size and len(packed) > HEAD:
            whole = "Truncated" in str(exc)
            if not whole:
                raise InputError(f"{uris.display(uri)}: cannot be read as {codec}: {exc}") from exc
    return b"".join(parts)
