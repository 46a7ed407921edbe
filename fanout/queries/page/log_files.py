"""The logs of a step as a tree of files, and parts of their text. Nothing outside the step's logs can be named."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.security.redaction import redact
from fanout.storage.objects import list_keys, read_range

if TYPE_CHECKING:
    from obstore.store import ObjectStore

MOST_FILES = 3000
TAIL = 128 * 1024
"""Bytes of a file that are shown: its end."""
SEARCHED = 8 * 1024 * 1024
"""Bytes that a search reads at the most."""
MOST_HITS = 200


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file; `name` is relative to the logs of the step."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class LogText:
    """The end of a file: from byte `start` on, of `size`."""

    name: str
    start: int
    size: int
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A line of a log that has what was searched for."""

    name: str
    line: int
    text: str


async def list_logs(store: "ObjectStore", prefix: str) -> tuple[LogFile, ...]:
    """The files below `prefix`, by name."""
    found = []
    async for listed in list_keys(store, prefix):
        found.append(LogFile(listed.key.removeprefix(prefix), listed.size))
        if len(found) >= MOST_FILES:
            break
    return tuple(sorted(found, key=lambda one: one.name))


async def read_log(store: "ObjectStore", prefix: str, name: str, most: int = TAIL) -> LogText | None:
    """The end of a file that `list_logs` names; None when there is none of this name."""
    for listed in await list_logs(store, prefix):
        if listed.name == name:
            start = max(0, listed.size - most)
            body = await read_range(store, prefix + name, start, listed.size) if listed.size else b""
            return LogText(name, start, listed.size, redact((body or b"").decode(errors="replace")))
    return None


async def search_logs(store: "ObjectStore", prefix: str, wanted: str) -> tuple[Hit, ...]:
    """Lines that contain `wanted`, in files of the user's code first; case is ignored."""
    hits, left = list[Hit](), SEARCHED
    files = sorted(await list_logs(store, prefix), key=lambda one: (not one.name.startswith("user"), one.name))
    for listed in files:
        if left <= 0 or len(hits) >= MOST_HITS:
            break
        text = await read_log(store, prefix, listed.name, min(left, 1024 * 1024))
        if text is not None:
            left -= len(text.text)
            lines = enumerate(text.text.splitlines(), 1)
            hits += [Hit(listed.name, n, line[:500]) for n, line in lines if wanted.lower() in line.lower()]
    return tuple(hits[:MOST_HITS])
