"""The mini-batch: the unit of dispatch, and its one JSON line in manifests, messages and frames.

Imported by the slot's child process too, so the standard library only.
"""

from __future__ import annotations

import json
from dataclasses import field
from typing import TYPE_CHECKING, Any

from fanout.backports import StrEnum, dataclass
from fanout.errors import DamagedRecordError
from fanout.records import fields as checked

if TYPE_CHECKING:
    from collections.abc import Mapping

# Made once: json.dumps with settings of its own makes an encoder a call, which costs more than the encoding.
_compose = json.JSONEncoder(separators=(",", ":")).encode
_quote = json.encoder.encode_basestring_ascii


class Cut(StrEnum):
    """What the two numbers of a piece count."""

    BYTES = "bytes"  # a byte range that starts at a line start and ends at one (delimited text, JSON lines)
    ROW_GROUPS = "row_groups"  # whole row groups of a parquet file
    ROWS = "rows"  # rows of a parquet file, or of a whole table read in order
    WHOLE = "whole"  # the whole object; start and stop are 0 and its size


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of one table file: `[start, stop)` in the unit of `cut`."""

    uri: str
    start: int
    stop: int
    cut: Cut


@dataclass(slots=True)
class MiniBatch:
    """What one call of `run` gets: files (URIs, in order) or pieces of a table, never both.

    `items` is the number of files, or of rows where the planner knows it without reading the data. Not frozen: of the
    many that there are each is made three times faster so. No code changes one.
    """

    index: int
    files: tuple[str, ...] = ()
    pieces: tuple[Piece, ...] = ()
    items: int | None = None
    partition: Mapping[str, str] = field(default_factory=dict)  # in the order of partition_keys
    first_row: int | None = None  # global index of the first row, where the planner knows it
    versions: tuple[str, ...] = ()  # of the items, while it is planned; no part of its line
    known: int | None = None  # while it is planned, the mini-batch of an earlier run that is the same one


def encode(batch: MiniBatch) -> str:
    """The mini-batch as one compact line of JSON in ASCII, without the newline; equal values give equal text."""
    if batch.files and batch.items is not None and not (batch.pieces or batch.partition or batch.first_row is not None):
        # Most mini-batches: composed by hand, in less than half of the time.
        return f'{{"index":{batch.index},"files":[{",".join(map(_quote, batch.files))}],"items":{batch.items}}}'
    fields: dict[str, Any] = {"index": batch.index}
    if batch.files:
        fields["files"] = batch.files
    if batch.pieces:
        fields["pieces"] = [[p.uri, p.start, p.stop, p.cut.value] for p in batch.pieces]
    if batch.items is not None:
        fields["items"] = batch.items
    if batch.partition:
        fields["partition"] = dict(batch.partition)
    if batch.first_row is not None:
        fields["first_row"] = batch.first_row
    return _compose(fields)


def decode(text: str | bytes, source: str) -> MiniBatch:
    """The mini-batch in one JSON line; DamagedRecordError, naming `source`, when the line is anything else."""
    try:
        return from_fields(checked.parse(text if isinstance(text, str) else text.decode("utf-8", "surrogatepass")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise DamagedRecordError(f"{source}: not a mini-batch: {type(exc).__name__}: {exc}") from exc


def from_fields(fields: Mapping[str, Any]) -> MiniBatch:
    """The mini-batch in a parsed JSON object; ValueError, KeyError or TypeError when it is not one."""
    return MiniBatch(
        checked.whole(fields["index"], "index"),
        _files(fields["files"]) if "files" in fields else (),
        tuple([_piece(*piece) for piece in fields["pieces"]]) if "pieces" in fields else (),
        _optional(fields.get("items"), "items", checked.LARGEST),
        checked.texts(fields["partition"], "partition") if "partition" in fields else {},
        _optional(fields["first_row"], "first_row", 2**63) if "first_row" in fields else None,
    )


def _files(files: object) -> tuple[str, ...]:
    if type(files) is not list or set(map(type, files)) - {str}:
        raise ValueError("files must be a list of texts")
    return tuple(files)


def _piece(uri: object, start: object, stop: object, cut: str) -> Piece:
    first = checked.whole(start, "start", below=2**63)
    last = checked.whole(stop, "stop", least=first, below=2**63)
    return Piece(checked.text(uri, "the file of a piece"), first, last, Cut(cut))


def _optional(value: object, what: str, below: int) -> int | None:
    return None if value is None else checked.whole(value, what, below=below)
