"""The items of a call, as lines of JSON: written once, in the order in which they came."""

import base64
import json
import math
from array import array
from collections.abc import Iterable
from os import PathLike, fspath
from pathlib import Path
from typing import Any, BinaryIO

from fanout.errors import InputError

_PLAIN = (type(None), bool, int, str)
_compose = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Items:
    """Items in a file at `path`, a line each; those that a process has computed already have their row beside them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pickled = 0  # how many are neither JSON nor paths
        self._starts = array("Q")
        self._objects: dict[int, Any] = {}  # what JSON does not give back, by position

    def __len__(self) -> int:
        return len(self._starts)

    def write(self, items: Iterable[Any]) -> None:
        """All of them are in the file, however many there are; InputError for one that cannot be sent anywhere."""
        with self.path.open("wb") as file:
            at = 0
            for item in items:
                self._starts.append(at)
                at += file.write(self._line(item))

    def lines(self, most: int) -> list[bytes]:
        """The first lines."""
        with self.path.open("rb") as file:
            return [file.readline() for _ in range(min(most, len(self)))]

    def add_rows(self, rows: list[Any]) -> None:
        """The first items have these rows, and are not computed again."""
        if not rows:
            return
        target = self.path.with_suffix(".rows")
        with self.path.open("rb") as before, target.open("wb") as file:
            for row in rows:
                file.write(_compose(json.loads(before.readline()) | {"r": row}).encode() + b"\n")
            shift = file.tell() - before.tell()
            while chunk := before.read(1024 * 1024):
                file.write(chunk)
        starts, at = self._starts, 0
        with target.open("rb") as file:
            for position in range(len(rows)):
                starts[position] = at
                at += len(file.readline())
        for position in range(len(rows), len(starts)):
            starts[position] += shift
        target.replace(self.path)

    def opened(self) -> "ItemReader":
        """Gives items by their position, while it is open."""
        return ItemReader(self.path.open("rb"), self._starts, self._objects)

    def _line(self, item: Any) -> bytes:
        if isinstance(item, PathLike):
            self._objects[len(self._starts) - 1] = item
            return _compose({"f": str(Path(fspath(item)).absolute())}).encode() + b"\n"
        if is_exact(item):
            return _compose({"v": item}).encode() + b"\n"
        self.pickled += 1
        self._objects[len(self._starts) - 1] = item
        return b'{"p":"' + base64.b64encode(self._pickled(item)) + b'"}\n'

    def _pickled(self, item: Any) -> bytes:
        import cloudpickle

        try:
            body: bytes = cloudpickle.dumps(item)
        except Exception as exc:
            raise InputError(
                f"item {len(self._starts) - 1} ({type(item).__name__}) cannot be sent to other processes: "
                f"{type(exc).__name__}: {exc}"
            ) from exc
        return body


class ItemReader:
    """Items by position, as the caller gave them."""

    def __init__(self, file: BinaryIO, starts: "array[int]", objects: dict[int, Any]) -> None:
        self._file, self._starts, self._objects = file, starts, objects
        self._at = 0  # in the file: a seek to where it is would throw away what was read ahead

    def __getitem__(self, position: int) -> Any:
        if position in self._objects:
            return self._objects[position]
        if self._starts[position] != self._at:
            self._at = self._file.seek(self._starts[position])
        line = self._file.readline()
        self._at += len(line)
        return json.loads(line)["v"]

    def close(self) -> None:
        """The file is closed."""
        self._file.close()


def is_exact(value: Any) -> bool:
    """Whether JSON gives the value back as it is: a list stays a list, but a tuple would become one."""
    kind = type(value)
    if kind in _PLAIN:
        return kind is not str or value.isascii() or _is_whole(value)
    if kind is float:
        return math.isfinite(value)
    if kind is list:
        return all(map(is_exact, value))
    return kind is dict and all(type(key) is str for key in value) and all(map(is_exact, value.values()))


def _is_whole(text: str) -> bool:
    """Whether no character is half of one, which UTF-8 cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
