"""Frames between a node and a slot: a JSON header and a payload, over a stream socket.

    length of header (u32), length of payload (u64), header, payload

The node sends `start` once, then `task` after `task`; several may be on their way. The slot answers `ready` or `broken`
once, then for each task one `done`, in order, preceded by one `loaded` where reading the mini-batch is work of its own.
Imported by the slot's child process: the standard library only.
"""

import json
import struct
from collections.abc import Iterator
from typing import Any

PREFIX = struct.Struct(">IQ")
LARGEST_HEADER = 64 * 1024 * 1024
LARGEST_PAYLOAD = 16 * 1024**3
"""Bytes that no honest frame comes near: what claims more was not written by the other side."""


def encode(header: dict[str, Any], payload: bytes = b"") -> bytes:
    """One frame."""
    head = json.dumps(header, separators=(",", ":")).encode()
    return b"".join((PREFIX.pack(len(head), len(payload)), head, payload))


class FrameBuffer:
    """Bytes as they arrive in, whole frames out."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes | memoryview) -> Iterator[tuple[dict[str, Any], bytes]]:
        """The frames that `data` completes, in order; ValueError when it is no frame that begins."""
        self._bytes += data
        at = 0
        try:
            while (frame := self._frame_at(at)) is not None:
                header, payload, at = frame
                yield header, payload
        finally:
            del self._bytes[:at]

    def _frame_at(self, at: int) -> tuple[dict[str, Any], bytes, int] | None:
        body = at + PREFIX.size
        if len(self._bytes) < body:
            return None
        head_size, payload_size = PREFIX.unpack_from(self._bytes, at)
        if head_size > LARGEST_HEADER or payload_size > LARGEST_PAYLOAD:
            raise ValueError(f"a frame of {head_size} + {payload_size} bytes")
        end = body + head_size + payload_size
        if len(self._bytes) < end:
            return None
        header = json.loads(self._bytes[body : body + head_size])
        if not isinstance(header, dict):
            raise ValueError("a header that is no object")
        return header, bytes(self._bytes[body + head_size : end]), end
