"""Reads tables for a slot whose Python is the step's own: `python -P -m fanout.slot.child.table_server <socket fd>`.

It runs in the Python that fanout is installed in, so the environment needs no library of fanout's, and the values are
the same in every environment. The slot starts it, and it ends with the slot. `table_client` is the other side, and
`table_values` says how values are written.
"""

import contextlib
import socket
import sys
from pathlib import Path
from typing import Any

from fanout.errors import DamagedRecordError, FanoutError
from fanout.records import mini_batch
from fanout.records.value_changes import Change
from fanout.slot import frames
from fanout.slot.child.entry_script import one_line
from fanout.slot.child.orphans import die_with_the_parent
from fanout.slot.child.table_reader import TableReader
from fanout.slot.child.table_values import pack_frame, pack_objects

RECEIVE_SIZE = 256 * 1024


def main(descriptor: int) -> None:
    """Answers each mini-batch with its rows or the reason why it has none, until the slot is gone."""
    die_with_the_parent()
    channel, buffer = socket.socket(fileno=descriptor), frames.FrameBuffer()
    reader: TableReader | None = None
    with contextlib.suppress(ConnectionError):
        while data := channel.recv(RECEIVE_SIZE):
            for head, payload in buffer.feed(data):
                if reader is None:
                    reader = _reader(frames.header(head))
                else:
                    channel.sendall(_answer(reader, payload))


def _reader(order: dict[str, Any]) -> TableReader:
    return TableReader(order["recipe"], Path(order["scratch"]), json_records=order["json_records"])


def _answer(reader: TableReader, line: bytes) -> bytes:
    try:
        data = reader(mini_batch.decode(line, "task"))
        header, payload = pack_objects(data) if isinstance(data, list) else pack_frame(data)
    except Exception as exc:  # noqa: BLE001 - whatever reading raises is this attempt's failure
        message = str(exc) if isinstance(exc, FanoutError) else one_line(exc)
        return frames.encode({"failed": message, "damaged": isinstance(exc, DamagedRecordError)})
    return frames.encode({**header, "changes": list(map(Change.to_list, reader.changes))}, payload)


if __name__ == "__main__":
    main(int(sys.argv[1]))
