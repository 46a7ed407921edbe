"""The numbers of attempts, column by column: how they lie in a result object.

There is an attempt for every mini-batch, so nothing here is done number by number: arrays are written, read and checked
by C code. Little-endian, one column after the other in the order of the fields. Pure: bytes in, values out.
"""

from __future__ import annotations

import math
import sys
from array import array
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from fanout.backports import dataclass
from fanout.records import fields as checked

if TYPE_CHECKING:
    from collections.abc import Sequence

_TYPES = ("I", "I", "B", "I", "I", "I", "d", "d", "d", "I", "I", "Q", "I")
WIDTH = sum(array(type_).itemsize for type_ in _TYPES)
"""Bytes of one attempt."""


@dataclass(frozen=True, slots=True)
class Columns:
    """One number each for every attempt; `status`, `process` and `header` are places in tables beside them."""

    index: array[int]
    attempt: array[int]
    status: array[int]
    items: array[int]
    succeeded: array[int]
    process: array[int]
    started: array[float]
    load_seconds: array[float]
    run_seconds: array[float]
    rows: array[int]
    header: array[int]
    length: array[int]
    crc: array[int]

    @classmethod
    def of(cls, columns: Sequence[Sequence[int] | Sequence[float]]) -> Columns:
        """The numbers of each field, in the order of the fields; OverflowError when one is too large to be kept."""
        arrays: list[Any] = [array(type_, column) for type_, column in zip(_TYPES, columns, strict=True)]
        return cls(*arrays)

    def pack(self) -> bytes:
        """The columns as they lie in a result object."""
        return b"".join(_little_endian(getattr(self, field.name)).tobytes() for field in fields(self))


def unpack(data: memoryview, count: int) -> Columns:
    """The columns of `count` attempts, which are all of `data`; ValueError when they are not, or cannot be."""
    if len(data) != count * WIDTH:
        raise ValueError(f"{len(data)} bytes of {count} attempts, expected {count * WIDTH}")
    columns: list[Any] = []
    at = 0
    for type_ in _TYPES:
        column: array[int] = array(type_)
        size = count * column.itemsize
        column.frombytes(data[at : at + size])
        columns.append(_little_endian(column))
        at += size
    found = Columns(*columns)
    for name in ("started", "load_seconds", "run_seconds"):
        _check_seconds(name, getattr(found, name))
    if sum(found.length) >= 2**63:
        raise ValueError("more rows than there can be")
    return found


def check_places(name: str, column: array[int], table: Sequence[object]) -> None:
    """Each number of the column is a place in the table; else ValueError."""
    if column and max(column) >= len(table):
        raise ValueError(f"there is no {name} {max(column)}")


def _little_endian(column: array[int]) -> array[int]:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column


def _check_seconds(name: str, column: array[float]) -> None:
    # A sum that is finite has no NaN in it, which compares with nothing.
    if column and not (math.isfinite(sum(column)) and min(column) >= 0 and max(column) < checked.LATEST):
        raise ValueError(f"{name} holds what cannot be seconds")
