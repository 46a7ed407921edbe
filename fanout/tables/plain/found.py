"""What was found out of plain files, in a sentence for people, and how to say otherwise."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap

from fanout.tables.recipe import Column
from fanout.tables.values.types import Kind

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_ENCODINGS = {
    "utf8": "UTF-8",
    "windows1252": "windows-1252",
    "latin1": "latin-1",
    "utf16": "UTF-16",
    "utf32": "UTF-32",
}
_TYPES = {Kind.STRING: "text", Kind.OBJECT: "as it is", Kind.STREAM_INFO: "text"}
MOST_COLUMNS = 12
WIDTH = 76


@dataclass(frozen=True, slots=True)
class Found:
    """How plain files are read."""

    format: str
    files: int
    delimiter: str = ""
    encoding: str = ""
    header: bool | None = None
    columns: tuple[Column, ...] = ()
    rows: int | None = None
    compression: str = ""

    def lines(self) -> Iterator[str]:
        """The sentences of a plan."""
        if self.format == "parquet":
            yield "read as parquet, with the types of the files"
            return
        parts = ["CSV" if self.format == "csv" else "JSON lines"]
        if self.format == "csv":
            parts.append(f"{_DELIMITERS.get(self.delimiter, repr(self.delimiter))} between fields")
        parts.append(_ENCODINGS.get(self.encoding, self.encoding))
        if self.header is not None:
            parts.append("names in the first row" if self.header else "no row of names")
        if self.compression:
            parts.append(self.compression)
        yield f"read as {', '.join(parts)}"
        yield from wrap(f"columns  {_columns(self.columns)}", WIDTH, subsequent_indent=" " * len("columns  "))
        keys = "delimiter, encoding, header, types" if self.format == "csv" else "encoding, types"
        yield f"to change this set read: {{{keys}}} on the input"


def _columns(columns: Sequence[Column]) -> str:
    shown = ", ".join(
        f"{column.name} {_TYPES.get(column.type.kind, column.type.kind)}" for column in columns[:MOST_COLUMNS]
    )
    return shown if len(columns) <= MOST_COLUMNS else f"{shown} and {len(columns) - MOST_COLUMNS} more"
