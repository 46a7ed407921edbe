"""How files of a table are read: the options of `read_*` transformations as values (reference, section 12)."""

import codecs
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from fanout.tables.values.types import ColumnType

SAMPLE_ROWS = 200  # rows that type inference looks at (reference, section 12)

CODECS = {
    "utf8": "utf-8",
    "utf8bom": "utf-8",
    "ascii": "utf-8",
    "iso88591": "cp1252",
    "latin1": "cp1252",
    "windows1252": "cp1252",
    "utf16": "utf-16",
    "utf32": "utf-32",
}
"""The codec of each encoding: as browsers do, the original reads ascii and latin1 as what they are part of."""
ENCODING_NAMES = dict(zip(CODECS, CODECS, strict=True)) | {
    "utf-8": "utf8",
    "utf8 bom": "utf8bom",
    "iso-8859-1": "iso88591",
    "latin-1": "latin1",
    "windows-1252": "windows1252",
    "utf-16": "utf16",
}
"""Every way to write an encoding in an MLTable file."""
_UTF8 = frozenset({"utf8", "utf8bom", "ascii"})
_WIDE = frozenset({"utf16", "utf32"})
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Bytes that windows-1252 leaves open stand for control characters.
_WINDOWS = {byte: found for byte in range(0x80, 0xA0) if (found := bytes([byte]).decode("cp1252", "ignore"))}


Misfits = Literal["", "error", "null"]
"""What becomes of values and rows that do not fit the columns."""


class HeaderMode(StrEnum):
    """Where the names of the columns come from."""

    NO_HEADER = "no_header"  # Column1, Column2, ...; every line is data
    FROM_FIRST_FILE = "from_first_file"  # only the first file begins with names
    ALL_FILES_DIFFERENT_HEADERS = "all_files_different_headers"  # every file begins with names of its own
    ALL_FILES_SAME_HEADERS = "all_files_same_headers"  # the first file's names; the first line of every file is skipped


@dataclass(frozen=True, slots=True)
class Delimited:
    """`read_delimited`: lines of fields."""

    delimiter: str = ","
    encoding: str = "utf8"
    header: HeaderMode = HeaderMode.ALL_FILES_SAME_HEADERS
    empty_as_string: bool = False
    include_path_column: bool = False
    support_multi_line: bool = False
    infer_column_types: bool = True
    sample_rows: int = SAMPLE_ROWS
    overrides: tuple[tuple[str, ColumnType], ...] = ()  # types given instead of inferred
    misfits: Misfits = ""  # of plain files; "": of an MLTable, whose values are changed as the original changes them
    packed: bool = False  # some files are compressed, which their first bytes show
    kind: Literal["delimited"] = "delimited"

    @property
    def splittable(self) -> bool:
        """Whether a byte range that begins at a line start can be read on its own.

        Not so where a line end may be inside a quoted field, where its byte may be half of another character, and
        where a range would need the names in front of its file.
        """
        return self.countable and not self.support_multi_line

    @property
    def countable(self) -> bool:
        """Whether counting line ends, those in quotes apart, tells the rows apart."""
        differing = self.header is HeaderMode.ALL_FILES_DIFFERENT_HEADERS
        return not (differing or self.encoding in _WIDE)


@dataclass(frozen=True, slots=True)
class JsonLines:
    """`read_json_lines`: one JSON object a line."""

    encoding: str = "utf8"
    invalid_lines: Literal["error", "drop"] = "error"
    include_path_column: bool = False
    misfits: Misfits = ""
    packed: bool = False
    kind: Literal["json_lines"] = "json_lines"

    @property
    def splittable(self) -> bool:
        """Whether a byte range that begins at a line start can be read on its own."""
        return self.encoding not in _WIDE

    @property
    def countable(self) -> bool:
        """Whether counting line ends tells the rows apart."""
        return self.splittable


@dataclass(frozen=True, slots=True)
class Parquet:
    """`read_parquet`: columns and their types come from the files."""

    include_path_column: bool = False
    exact: bool = False  # plain files: all have the same columns, and no value loses digits
    kind: Literal["parquet"] = "parquet"

    @property
    def splittable(self) -> bool:
        """Row groups can be read on their own."""
        return True

    @property
    def countable(self) -> bool:
        """The files say how many rows they hold."""
        return True


@dataclass(frozen=True, slots=True)
class DeltaLake:
    """`read_delta_lake`: parquet files that a transaction log names, of a version or a time, else the newest."""

    version_as_of: int | None = None
    timestamp_as_of: str | None = None  # ISO 8601 with an offset
    include_path_column: bool = False
    columns: tuple[tuple[str, ColumnType], ...] = ()  # as the log says; empty until it has been read
    partitions: tuple[str, ...] = ()  # those whose values are in the paths of the files
    kind: Literal["delta_lake"] = "delta_lake"

    @property
    def splittable(self) -> bool:
        """Row groups can be read on their own."""
        return True

    @property
    def countable(self) -> bool:
        """The files say how many rows they hold."""
        return True


Reader = Delimited | JsonLines | Parquet | DeltaLake


def is_plain(reader: Reader | None) -> bool:
    """Whether this reads plain files rather than those of an MLTable: exactly, and also when they are compressed."""
    match reader:
        case Delimited(misfits=misfits) | JsonLines(misfits=misfits):
            return misfits != ""
        case Parquet(exact=exact):
            return exact
        case _:
            return False


def is_timestamp(text: str) -> bool:
    """Whether this is a time that says which moment it means: ISO 8601 with an offset or Z."""
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def decode(block: bytes, encoding: str, *, is_all: bool = True) -> str:
    """The text of `block`; UnicodeError when it is not in the encoding. Without `is_all`, it may end in a character."""
    codec = CODECS[encoding]
    if codec == "cp1252":
        return block.decode("latin-1").translate(_WINDOWS)
    if codec == "utf-16" and not block.startswith(_UTF16_MARKS):
        codec = "utf-16-le"
    return codecs.getincrementaldecoder(codec)().decode(block, is_all)


def to_utf8(block: bytes, encoding: str, *, from_start: bool) -> bytes:
    """The text of `block` as UTF-8; UnicodeDecodeError when it is not in the encoding.

    What claims to be UTF-8 is not looked at here: the decoder will find out. A byte order mark goes when the block
    comes `from_start` of its file.
    """
    if encoding not in _UTF8:
        block = decode(block, encoding).encode()
    return block.removeprefix(codecs.BOM_UTF8) if from_start else block
