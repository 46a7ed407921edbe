"""Where a file of lines may be cut: extents that begin and end at line starts, found without reading the data between.

The rule is Hadoop's (reference, section 5.2): with blocks of P bytes, a line that starts at byte s belongs to block k
when k*P < s <= (k+1)*P; block 0 also takes s = 0. A block in which no line of data starts does not exist.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from fanout.files.byte_ranges import ByteSource

_DENSE = 64 * 1024  # cuts closer together than this: read everything, seeking would cost more
_CHUNK = 1024 * 1024
_WINDOW = 4 * 1024  # what is read at a cut at first; grows when the lines turn out to be longer
_AHEAD = 32  # windows fetched together
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Extent:
    """The bytes `[start, stop)` of a file, from a line start to a line start or the end of the file."""

    start: int
    stop: int


@dataclass(slots=True)
class LineFinder:
    """Finds the line that follows a position, reading ahead at the positions that come next, one `stride` apart."""

    source: ByteSource
    stride: int
    _window: int = _WINDOW
    _starts: list[int] = field(default_factory=list)
    _buffers: list[bytes] = field(default_factory=list)

    def next_line(self, position: int) -> int:
        """Where the first line that is not blank starts behind the first line end at `position` or later.

        The file's size when there is none.
        """
        if position >= self.source.size:
            return self.source.size
        buffer, start = self._buffer(position)
        found = buffer.find(b"\n", position - start)
        if found < 0:
            return self._scan(start + len(buffer))
        after = buffer[found + 1 : found + 2]
        return start + found + 1 if after not in (b"", b"\n") else skip_blank(self.source, start + found + 1)

    def _buffer(self, position: int) -> tuple[bytes, int]:
        """What has been read around `position`, reading it and its successors if need be."""
        while self._starts and self._starts[0] + len(self._buffers[0]) <= position:
            self._starts.pop(0)
            self._buffers.pop(0)
        if not self._starts or position < self._starts[0]:
            self._fetch(position)
        return self._buffers[0], self._starts[0]

    def _fetch(self, position: int) -> None:
        if self.stride <= max(_DENSE, 2 * self._window):
            self._starts, length = [position], _CHUNK
        else:
            last = min(position + _AHEAD * self.stride, self.source.size)
            self._starts, length = list(range(position, last, self.stride)), self._window
        self._buffers = self.source.read_many(self._starts, length)

    def _scan(self, position: int) -> int:
        """As next_line, by reading on; such long lines make later windows larger."""
        size, step = self.source.size, self._window
        while position < size:
            buffer = self.source.read(position, min(position + step, size))
            self._window = min(max(self._window, 2 * step), _CHUNK)
            found = buffer.find(b"\n")
            if found >= 0:
                return skip_blank(self.source, position + found + 1)
            position, step = position + len(buffer), min(2 * step, _CHUNK)
        return size


def cut_by_bytes(
    source: ByteSource, block_bytes: int, *, header: bool, lines: Extent | None = None
) -> Iterator[Extent]:
    """The blocks of a file by the Hadoop rule, in order; only those in which a line of data starts.

    `header` says that the first line that is not blank holds names: it counts for the offsets, not as data. The first
    block with data begins at byte 0 when the header is in front of it, so that a reader of byte 0 meets the header.
    `lines` narrows the result to part of the file (from line start to line start).
    """
    first = data_start(source, header=header)
    low, high = (first, source.size) if lines is None else (max(lines.start, first), lines.stop)
    finder = LineFinder(source, block_bytes)
    start = low
    while start < high:
        block = max(0, (start - 1) // block_bytes)
        stop = min(finder.next_line((block + 1) * block_bytes), high)
        yield Extent(0 if start == first else start, stop)
        start = stop


def data_start(source: ByteSource, *, header: bool) -> int:
    """Where the first line of data starts; the file's size when there is none.

    Blank lines in front are not data; with `header`, nor is the first line that is not blank.
    """
    start = skip_blank(source, 0)
    if not header or start >= source.size:
        return start
    return LineFinder(source, source.size).next_line(start)


def skip_blank(source: ByteSource, position: int) -> int:
    """The first byte from `position` on that is no line feed; `position` must be a line start."""
    step = _WINDOW
    while position < source.size:
        buffer = source.read(position, min(position + step, source.size))
        body = buffer.removeprefix(_BOM) if position == 0 else buffer
        rest = body.lstrip(b"\n")
        if rest:
            # The mark belongs to the line it stands in.
            return position if len(rest) == len(body) else position + len(buffer) - len(rest)
        position, step = position + len(buffer), _CHUNK
    return source.size
