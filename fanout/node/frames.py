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
    return pack(json.dumps(header, separators=(",", ":")).encode(), payload)


def pack(head: bytes, payload: bytes) -> bytes:
    """One frame whose header is composed already."""
    return b"".join((PREFIX.pack(len(head), len(payload)), head, payload))


class FrameBuffer:
    """Bytes as they arrive in, whole frames out."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._awaited = PREFIX.size  # with fewer bytes there is no frame

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[tuple[dict[str, Any], bytes]]:
        """The frames that `data` completes, in order; ValueError when it is no frame that begins."""
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
                yield _header(head), payload
        finally:
            self._rest += whole[at:]


def _header(head: bytes) -> dict[str, Any]:
    header = _decode(head.decode())
    if not isinstance(header, dict):
        raise ValueError("a header that is no object")
    return header


# Made once: json.loads looks at its settings at every call.
_decode = json.JSONDecoder().decode
