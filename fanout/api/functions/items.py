"""The items of a call, as lines of JSON: written once, in the order in which they came."""

import base64
import json
import math
import shutil
from array import array
from collections.abc import Iterable
from itertools import count, islice
from os import PathLike, fspath
from pathlib import Path
from typing import Any, BinaryIO

from fanout.errors import InputError

_PLAIN = (type(None), bool, int, str)
_SCALARS = {*_PLAIN, float}
_compose = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_compose_lines = json.JSONEncoder(separators=("\n", ":"), allow_nan=False).encode
CHUNK = 256
"""Items between two places of the file that are remembered: memory for a position, reading for a step to the next."""


class Items:
    """Items in a file at `path`, a line each; those that a process has computed already have their row beside them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pickled = 0  # how many are neither JSON nor paths
        self._count = 0
        self._starts = array("Q")  # of each chunk, in the file
        self._objects: dict[int, Any] = {}  # what JSON does not give back, by position

    def __len__(self) -> int:
        return self._count

    def write(self, items: Iterable[Any]) -> None:
        """All of them are in the file, however many there are; InputError for one that cannot be sent anywhere."""
        coming, at = iter(items), 0
        with self.path.open("wb") as file:
            while chunk := list(islice(coming, CHUNK)):
                self._starts.append(at)
                at += file.write(_scalar_lines(chunk) or b"".join(map(self._line, chunk, count(self._count))))
                self._count += len(chunk)

    def lines(self, most: int) -> list[bytes]:
        """The first lines."""
        with self.path.open("rb") as file:
            return [file.readline() for _ in range(min(most, len(self)))]

    def add_rows(self, rows: list[Any]) -> None:
        """The first items, a chunk at most, have these rows, and are not computed again."""
        if not rows:
            return
        target = self.path.with_suffix(".rows")
        with self.path.open("rb") as before, target.open("wb") as file:
            for row in rows:
                file.write(_compose(json.loads(before.readline()) | {"r": row}).encode() + b"\n")
            shift = file.tell() - before.tell()
            shutil.copyfileobj(before, file, 1024 * 1024)
        self._starts = array("Q", [0, *(start + shift for start in self._starts[1:])])
        target.replace(self.path)

    def opened(self) -> "ItemReader":
        """Gives items by their position, while it is open."""
        return ItemReader(self.path.open("rb"), self._starts, self._objects)

    def _line(self, item: Any, position: int) -> bytes:
        if isinstance(item, PathLike):
            self._objects[position] = item
            return _compose({"f": str(Path(fspath(item)).absolute())}).encode() + b"\n"
        if is_exact(item):
            return _compose({"v": item}).encode() + b"\n"
        self.pickled += 1
        self._objects[position] = item
        return b'{"p":"' + base64.b64encode(_pickled(item, position)) + b'"}\n'


def _scalar_lines(chunk: list[Any]) -> bytes | None:
    """The lines of numbers and texts, encoded at once; None when an item is neither."""
    plain = _SCALARS.issuperset(map(type, chunk))
    if not plain or not all(is_exact(item) for item in chunk if type(item) in (str, float)):
        return None
    lines = _compose_lines(chunk)[1:-1].replace("\n", '}\n{"v":')
    return f'{{"v":{lines}}}\n'.encode()


def _pickled(item: Any, position: int) -> bytes:
    import cloudpickle

    try:
        body: bytes = cloudpickle.dumps(item)
    except Exception as exc:
        raise InputError(
            f"item {position} ({type(item).__name__}) cannot be sent to other processes: {type(exc).__name__}: {exc}"
        ) from exc
    return body


class ItemReader:
    """Items by position, as the caller gave them."""

    def __init__(self, file: BinaryIO, starts: "array[int]", objects: dict[int, Any]) -> None:
        self._file, self._starts, self._objects = file, starts, objects
        self._next = 0  # the item whose line is read next: a seek to where it is would throw away what was read ahead

    def __getitem__(self, position: int) -> Any:
        if position in self._objects:
            return self._objects[position]
        if not self._next <= position < self._next + CHUNK:
            self._file.seek(self._starts[position // CHUNK])
            self._next = position // CHUNK * CHUNK
        for _ in range(position - self._next):
            self._file.readline()
        self._next = position + 1
        return json.loads(self._file.readline())["v"]

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
