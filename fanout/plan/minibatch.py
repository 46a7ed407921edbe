"""The mini-batch: the unit of dispatch, and its one JSON line in manifests, messages and frames.

Imported by the slot's child process too, so the standard library only.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fanout.errors import DamagedRecordError

# Made once: json.dumps with settings of its own makes an encoder a call, which costs more than the encoding.
_compose = json.JSONEncoder(separators=(",", ":")).encode


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


@dataclass(frozen=True, slots=True)
class MiniBatch:
    """What one call of `run` gets: files (URIs, in order) or pieces of a table, never both.

    `items` is the number of files, or of rows where the planner knows it without reading the data.
    """

    index: int
    files: tuple[str, ...] = ()
    pieces: tuple[Piece, ...] = ()
    items: int | None = None
    partition: Mapping[str, str] = field(default_factory=dict)  # in the order of partition_keys
    first_row: int | None = None  # global index of the first row, where the planner knows it


def encode(batch: MiniBatch) -> str:
    """The mini-batch as one compact line of JSON in ASCII, without the newline; equal values give equal text."""
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
        return from_fields(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise DamagedRecordError(f"{source}: not a mini-batch: {exc}") from exc


def from_fields(fields: Mapping[str, Any]) -> MiniBatch:
    """The mini-batch in a parsed JSON object; ValueError, KeyError or TypeError when it is not one."""
    files: Sequence[str] = fields.get("files", ())
    if not all(isinstance(uri, str) for uri in files):
        raise ValueError("files must be text")
    batch = MiniBatch(
        index=int(fields["index"]),
        files=tuple(files),
        pieces=tuple(Piece(str(u), int(a), int(b), Cut(cut)) for u, a, b, cut in fields.get("pieces", ())),
        items=fields.get("items"),
        partition={str(k): str(v) for k, v in fields.get("partition", {}).items()},
        first_row=fields.get("first_row"),
    )
    if batch.index < 0:
        raise ValueError(f"index {batch.index} is negative")
    return batch
