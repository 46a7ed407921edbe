"""One object that has arrived, as its event describes it. Checked where it is received; a frozen value from there
on."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from fanout.errors import EventError
from fanout.files import uris
from fanout.records import fields as checked

LONGEST_KEY = 4096
"""Bytes of a key: S3's own bound is 1,024, paths of a file system may be longer."""
LARGEST_OBJECT = 2**60
_VERSION = 1


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """An object of a bucket, or a file of a watched folder, in one version.

    `root` is `s3://bucket` or the `file:` URI of the folder, `key` decoded and without a slash at its beginning. At
    least one of `version` (of a bucket that keeps versions) and `etag` tells what the object was. `sequencer` orders
    the events of one key where the server gives it, and says nothing of other keys.
    """

    root: str
    key: str
    version: str | None = None
    etag: str | None = None
    sequencer: str | None = None
    size: int | None = None  # bytes
    time: float | None = None  # epoch seconds

    def __post_init__(self) -> None:
        """EventError for what cannot be an object."""
        if not self.key or (self.key.startswith("/") and self.is_local):
            raise EventError(f"an event of {self.root} with the key {self.key[:200]!r}, which names no object")
        if "\0" in self.key or not _encodes(self.key) or len(self.key.encode()) > LONGEST_KEY:
            raise EventError(f"an event of {self.root} with a key that no object can have: {self.key[:200]!r}")
        if self.version is None and self.etag is None:
            raise EventError(f"an event of {self.uri} without a version or ETag: nothing tells which object it was")

    @property
    def is_local(self) -> bool:
        """Whether it is a file of this machine."""
        return self.root.startswith("file:")

    @property
    def uri(self) -> str:
        """Where the object is."""
        return uris.join(self.root, self.key) if self.is_local else f"{self.root}/{self.key}"

    @property
    def identity(self) -> str:
        """The identity of the object version (SHA-256): equal in all its events, from any source."""
        return hashlib.sha256(json.dumps([self.root, self.key, self.version or self.etag]).encode()).hexdigest()

    def fields(self) -> dict[str, object]:
        """The event as `event_of` reads it."""
        there = {name: getattr(self, name) for name in ("version", "etag", "sequencer", "size", "time")}
        return {"root": self.root, "key": self.key, **{n: value for n, value in there.items() if value is not None}}


def event_of(fields: object) -> ObjectEvent:
    """The event that `ObjectEvent.fields` was made of; ValueError for anything else."""
    if not isinstance(fields, dict) or not fields.keys() <= set(ObjectEvent.__dataclass_fields__):
        raise ValueError(f"{fields!r:.80} is no event")
    root = checked.text(fields.get("root"), "root")
    if not root.startswith(("s3://", "file:///")):
        raise ValueError(f"the root is {root!r:.80}, expected a bucket or a folder")
    size, time = fields.get("size"), fields.get("time")
    return ObjectEvent(
        root=root,
        key=checked.text(fields.get("key"), "key"),
        version=_optional(fields, "version"),
        etag=_optional(fields, "etag"),
        sequencer=_optional(fields, "sequencer"),
        size=None if size is None else checked.whole(size, "size", below=LARGEST_OBJECT),
        time=None if time is None else checked.seconds(time, "time"),
    )


def to_body(events: "list[ObjectEvent]") -> str:
    """The events as a message of fanout's own, which `read_events` understands."""
    return json.dumps({"fanout_events": _VERSION, "events": [event.fields() for event in events]})


def epoch(text: object) -> float | None:
    """The seconds of an ISO 8601 time; None when it is none: nothing but what people see depends on it."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except (ValueError, OverflowError):
        return None


def _optional(fields: dict[str, object], name: str) -> str | None:
    value = fields.get(name)
    return None if value is None else checked.text(value, name)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
