"""Parts of a table's files on this machine, and their bytes."""

import os
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from fanout.errors import InputError
from fanout.files import uris
from fanout.tables.plain.compression import HEAD, codec_of, read_unpacked


class FilePart(Protocol):
    """What the planner says of a part: the file, and `[start, stop)` in the unit of `cut`."""

    @property
    def uri(self) -> str: ...

    @property
    def start(self) -> int: ...

    @property
    def stop(self) -> int: ...

    @property
    def cut(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Section:
    """Part of one file: `[start, stop)` in the unit of `cut`, which is "bytes", "rows", "row_groups" or "whole".

    `uri` says which file it is, in the Path column and for partition columns. `path` is where its bytes are on this
    machine, when not in the file itself: a local copy whose first byte is byte `offset` of the file.
    """

    uri: str
    start: int = 0
    stop: int = 0
    cut: str = "whole"
    path: str | None = None
    offset: int = 0

    @classmethod
    def of(cls, part: FilePart) -> "Section":
        """The part as a section; of one whose file is where its URI says."""
        return part if isinstance(part, Section) else cls(part.uri, part.start, part.stop, part.cut)

    @property
    def local_path(self) -> str:
        """Where to open it; InputError when it has not been fetched."""
        return self.path if self.path is not None else uris.to_path(self.uri)

    @property
    def from_start(self) -> bool:
        """Whether the file's first line is among what is read."""
        return self.cut != "bytes" or self.start == 0


def read_bytes(piece: Section, *, packed: bool = False) -> bytes:
    """The bytes of a piece; of one cut by rows, those of the whole file.

    Of `packed` files some are compressed; then bytes are counted in what is in them.
    """
    try:
        with open(os.fsencode(piece.local_path), "rb") as file:  # noqa: PTH123 - any name a file can have
            if packed and not piece.offset and (codec := codec_of(file.read(HEAD))) is not None:
                return _unpacked(piece, file, codec)
            file.seek(0)
            if piece.cut != "bytes":
                return file.read()
            file.seek(piece.start - piece.offset)
            found = file.read(piece.stop - piece.start)
    except OSError as exc:
        raise InputError(f"{uris.display(piece.uri)}: cannot be read: {exc.strerror}") from exc
    return _complete(found, piece)


def _unpacked(piece: Section, file: BinaryIO, codec: str) -> bytes:
    file.seek(0)
    if piece.cut != "bytes":
        return read_unpacked(file, codec, piece.uri, 0, None)
    return _complete(read_unpacked(file, codec, piece.uri, piece.start, piece.stop), piece)


def _complete(found: bytes, piece: Section) -> bytes:
    if len(found) < piece.stop - piece.start:
        raise InputError(f"{uris.display(piece.uri)}: has become shorter since the plan was made")
    return found
