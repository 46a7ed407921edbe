"""Tables in a slot whose Python is the step's own: `table_server` reads them, and their rows are made into a DataFrame.

Imported by the slot's child process: the standard library, and the pandas of the environment where rows come.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import signal
import socket
import subprocess
from typing import TYPE_CHECKING, Any

from fanout.errors import DamagedRecordError, InputError
from fanout.records import mini_batch, value_changes
from fanout.slot import frames

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fanout.records.mini_batch import MiniBatch
    from fanout.records.value_changes import Change


class RemoteTableReader:
    """Reads mini-batches of a table by a process of `command`, which is started at once and anew when it has died.

    `changes` is what the types of the columns have changed in the last mini-batch.
    """

    def __init__(self, command: Sequence[str], recipe: str, scratch: str, *, json_records: bool) -> None:
        self._command = command
        self._order = frames.encode({"recipe": recipe, "scratch": scratch, "json_records": json_records})
        self.changes: tuple[Change, ...] = ()
        self._start()

    def _start(self) -> None:
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - the node's own Python and our module
                [*self._command, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=2,  # what a library prints there is no print of the script
                pass_fds=[theirs.fileno()],
            )
        self._channel.sendall(self._order)

    def __call__(self, batch: MiniBatch) -> Any:
        """A DataFrame, or a list of objects; InputError when it cannot be read, or not be held by this pandas."""
        if self._process.poll() is not None:
            self.close()
            self._start()
        header, payload = self._ask(mini_batch.encode(batch).encode())
        if "failed" in header:
            raise (DamagedRecordError if header["damaged"] else InputError)(header["failed"])
        self.changes = tuple(map(value_changes.from_list, header["changes"]))
        return _frame(header["columns"], header["rows"], payload) if "columns" in header else json.loads(bytes(payload))

    def close(self) -> None:
        """Ends the process, which ends by itself when this one does."""
        self._channel.close()
        self._process.kill()
        self._process.wait()

    def _ask(self, line: bytes) -> tuple[dict[str, Any], memoryview]:
        try:
            self._channel.sendall(frames.pack(b"", line))
            head_size, payload_size = frames.PREFIX.unpack(self._receive(frames.PREFIX.size))
            head, payload = self._receive(head_size), self._receive(payload_size)
        except ConnectionError:
            raise InputError(f"the process that reads tables {_ending(self._process)}") from None
        return frames.header(bytes(head)), payload

    def _receive(self, size: int) -> memoryview:
        received = memoryview(bytearray(size))
        at = 0
        while at < size:
            count = self._channel.recv_into(received[at:])
            if count == 0:
                raise ConnectionResetError
            at += count
        return received


def _ending(process: subprocess.Popen[bytes]) -> str:
    """How it ended, as it was seen."""
    process.kill()  # it has closed its channel, so it is ending already
    code = process.wait()
    if code == -signal.SIGKILL:
        return "was killed; memory may have run out: try fewer slots or smaller mini-batches"
    return f"ended with {'signal' if code < 0 else 'exit code'} {abs(code)}; stderr of the slot says more"


def _frame(columns: Sequence[Mapping[str, Any]], rows: int, payload: memoryview) -> Any:
    import pandas as pd

    index, found, at = pd.RangeIndex(rows), {}, 0
    for column in columns:
        part = payload[at : at + column["bytes"]]
        at += column["bytes"]
        try:
            found[column["name"]] = _series(column, part, index)
        except (ValueError, OverflowError) as exc:  # pandas' OutOfBoundsDatetime is one
            raise InputError(
                f"column {column['name']!r}: pandas {pd.__version__} of the step's own environment cannot hold its "
                f"values: {exc}"
            ) from exc
    return pd.DataFrame(found, index=index) if columns else pd.DataFrame()


def _series(column: Mapping[str, Any], part: memoryview, index: Any) -> Any:
    import numpy as np
    import pandas as pd

    if column["kind"] in ("array", "zoned"):
        values = np.frombuffer(part, dtype=column["type"]).copy()
        if column["kind"] == "array":
            return pd.Series(values, index=index)
        moments = pd.DatetimeIndex(values).tz_localize("UTC").tz_convert(_zone(column["zone"]))
        return pd.Series(moments, index=index)
    hook = _value if column["kind"] == "values" else None
    return pd.Series(_objects(json.loads(bytes(part), object_hook=hook)), index=index, dtype=object)


def _objects(values: Sequence[Any]) -> Any:
    """An object array, element by element also when these are lists."""
    import numpy as np

    array = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        array[place] = value
    return array


def _zone(said: Any) -> Any:
    return said if isinstance(said, str) else datetime.timezone(datetime.timedelta(seconds=said))


def _value(fields: dict[str, Any]) -> Any:
    """What an object with one member stands for (`table_values`)."""
    [(name, written)] = fields.items()
    return _READERS[name](written)


def _array(written: Sequence[Any]) -> Any:
    import numpy as np

    return np.frombuffer(base64.b64decode(written[1]), dtype=written[0]).copy()


def _datetime(written: Sequence[Any]) -> datetime.datetime:
    import pandas as pd

    moment = datetime.datetime.fromisoformat(written[0])
    if written[1] is None:
        return moment
    utc = moment.replace(tzinfo=datetime.UTC)
    return utc.astimezone(pd.Timestamp(0, tz=_zone(written[1])).tzinfo)


def _timestamp(written: Sequence[Any]) -> Any:
    import pandas as pd

    moment = pd.Timestamp(written[0], unit="ns")
    return moment if written[1] is None else moment.tz_localize("UTC").tz_convert(_zone(written[1]))


def _timedelta(nanoseconds: int) -> Any:
    import pandas as pd

    return pd.Timedelta(nanoseconds, unit="ns")


def _no_time(_: object) -> Any:
    import pandas as pd

    return pd.NaT


_READERS: dict[str, Callable[[Any], Any]] = {
    "dict": dict,
    "scalar": lambda written: _array(written)[0],
    "array": _array,
    "objects": _objects,
    "bytes": base64.b64decode,
    "Decimal": decimal.Decimal,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "datetime": _datetime,
    "timedelta": lambda written: datetime.timedelta(*written),
    "Timestamp": _timestamp,
    "Timedelta": _timedelta,
    "NaTType": _no_time,
    "tuple": tuple,
}
