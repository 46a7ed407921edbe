"""Frames between a node and a slot: a header and a payload, over a stream.

    length of header (u32), length of payload (u64), header, payload

What a header is says `orders`. Imported by the slot's child process: the standard library only.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = struct.Struct(">IQ")
LARGEST_HEADER = 64 * 1024 * 1024
LARGEST_PAYLOAD = 16 * 1024**3
"""Bytes that no honest frame comes near: what claims more was not written by the other side."""


def encode(header: dict[str, Any], payload: bytes = b"") -> bytes:
    """One frame with a JSON header."""
    return pack(_compose(header).encode(), payload)


def pack(head: bytes, payload: bytes) -> bytes:
    """One frame whose header is composed already."""
    return b"".join((PREFIX.pack(len(head), len(payload)), head, payload))


class FrameBuffer:
    """Bytes as they arrive in, whole frames out."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._awaited = PREFIX.size  # with fewer bytes there is no frame

    @property
    def is_between_frames(self) -> bool:
        """Whether nothing has come of a frame that is not whole."""
        return not self._rest

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[tuple[bytes, bytes]]:
        """Headers and payloads of the frames that `data` completes; ValueError when it is no frame that begins."""
        if self._rest or len(data) < self._awaited:
            self._rest += data
            if len(self._rest) < self._awaited:
                return
            data, self._rest = self._rest, bytearray()
        whole, at, self._awaited = bytes(data), 0, PREFIX.size
        try:
            while len(whole) - at >= PREFIX.size:
                head_size, payload_size = PREFIX.unpack_from(whole, at)
                if head_size > LARGEST_HEADER or payload_size > LARGEST_PAYLOAD:
                    raise ValueError(f"a frame of {head_size} + {payload_size} bytes")
                body = at + PREFIX.size
                end = body + head_size + payload_size
                if end > len(whole):
                    self._awaited = end - at
                    return
                head, payload, at = whole[body : body + head_size], whole[body + head_size : end], end
                yield head, payload
        finally:
            self._rest += whole[at:]


def header(head: bytes) -> dict[str, Any]:
    """A JSON header; ValueError when it is none."""
    fields = _decode(head.decode())
    if not isinstance(fields, dict):
        raise ValueError("a header that is no object")
    return fields


# Made once: json.loads looks at its settings at every call, and scripts may put something else in its place.
_compose, _decode = json.JSONEncoder(separators=(",", ":")).encode, json.JSONDecoder().decode
