"""Counting the rows of a file of lines: one pass, a bounded part of the file in memory."""

import sys
from dataclasses import dataclass, field

from fanout.files.byte_ranges import ByteSource
from fanout.tables.formats.line_cuts import Extent, data_start

_CHUNK = 4 * 1024 * 1024


@dataclass(slots=True)
class RowReader:
    """Walks over the rows of a file: each line that is not empty, behind the header if there is one.

    With `multi_line`, a line break inside double quotes does not end a row. `within` narrows the walk to an extent that
    was cut before; like there, byte 0 stands for the first row.
    """

    source: ByteSource
    header: bool
    multi_line: bool = False
    within: Extent | None = None
    first: int = field(init=False)  # where the first row starts
    _origin: int = field(init=False)
    _buffer: bytes = field(init=False, default=b"")
    _base: int = field(init=False)  # where the buffer starts in the file
    _at: int = field(init=False, default=0)  # how much of the buffer is done

    def __post_init__(self) -> None:
        self._origin = self.within.start if self.within else 0
        self.first = self._base = self._origin or self._data_start()

    @property
    def position(self) -> int:
        """Where the rows end that were taken so far."""
        return self._base + self._at

    def take(self, count: int) -> tuple[Extent, int]:
        """The extent of the next `count` rows, and how many they are: fewer only at the end of the file.

        The extent of the first row begins at byte 0, so that a reader of byte 0 meets the header.
        """
        start, taken = self.position, 0
        while taken < count and (self._at < len(self._buffer) or self._more()):
            taken += self._pass(count - taken)
        return Extent(self._origin if start == self.first else start, self.position), taken

    def count(self) -> int:
        """How many rows are left; afterwards there are none."""
        return self.take(sys.maxsize)[1]

    def _pass(self, count: int) -> int:
        """Moves over up to `count` rows that end within the buffer; the file's last one needs no line end."""
        at, passed = self._at, 0
        while passed < count:
            end = self._row_end(at)
            if end < 0:
                break
            if not self._is_blank(at, end):
                passed += 1
            at = end
        self._at = at
        if passed < count and not self._more():
            passed += self._at < len(self._buffer)
            self._at = len(self._buffer)
        return passed

    def _is_blank(self, at: int, end: int) -> bool:
        """Whether a line is none: an empty one. Where rows may have several, it begins a row, unless it is CR LF."""
        return self._buffer[at:end] == b"\r\n" if self.multi_line else end - at == 1

    def _row_end(self, at: int) -> int:
        """Just behind the row that starts at `at` of the buffer; -1 when it does not end in it."""
        buffer = self._buffer
        end = buffer.find(b"\n", at + self.multi_line) + 1
        if not self.multi_line:
            return end or -1
        quotes, counted = buffer.count(b'"', at, end), end
        while end and quotes % 2:
            end = buffer.find(b"\n", end) + 1
            quotes, counted = quotes + buffer.count(b'"', counted, end), end
        return end or -1

    def _more(self) -> bool:
        """Drops what is done and reads on; False at the end of the file."""
        read = self._base + len(self._buffer)
        size = self.within.stop if self.within else self.source.size
        if read >= size:
            return False
        rest = self._buffer[self._at :]
        # A row longer than the buffer is searched anew from its start, so each time as much again is read.
        stop = min(read + max(_CHUNK, len(rest)), size)
        self._base, self._at, self._buffer = self.position, 0, rest + self.source.read(read, stop)
        return True

    def _data_start(self) -> int:
        if not (self.header and self.multi_line):
            return data_start(self.source, header=self.header)
        names = RowReader(self.source, header=False, multi_line=True)
        names.take(1)
        return names.position
