"""What has become of the messages of a pack, as one version of it says, and how each call changes that. Pure."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from fanout.errors import DamagedRecordError
from fanout.records import fields

VERSION = 1
"""Of the objects of this queue; a process refuses others."""


class Claim(NamedTuple):
    """Who hides messages of a pack: a receive (`token`, "" for a delay), in which version it was last renewed (`beat`),
    and for how many `seconds` from then on."""

    token: str
    beat: int
    seconds: float


IsOver = Callable[[Claim], bool]
"""Whether a claim has run out, on the clock of the process that asks."""


@dataclass(frozen=True, slots=True)
class PackState:
    """One version of a pack. `receives` counts the receives of each of its messages; messages are numbers from 0 on.

    A message is done, or held by one claim, or free. A change is made of a version and belongs to the next one.
    """

    version: int
    receives: tuple[int, ...]
    done: frozenset[int] = frozenset()
    claims: Mapping[Claim, frozenset[int]] = field(default_factory=dict)

    @classmethod
    def new(cls, count: int, delay: float = 0.0) -> "PackState":
        """As it was sent: nothing has been received, and all of it is hidden for `delay` seconds."""
        claims = {Claim("", 0, delay): frozenset(range(count))} if delay > 0 else {}
        return cls(0, (0,) * count, frozenset(), claims)

    @property
    def is_finished(self) -> bool:
        """Whether every message is done."""
        return len(self.done) == len(self.receives)

    @property
    def is_untouched(self) -> bool:
        """Whether nothing was received and nothing is delayed."""
        return self.version == 0 and not self.claims

    def hidden(self, is_over: IsOver) -> frozenset[int]:
        """The messages of claims that last."""
        return frozenset().union(*(held for claim, held in self.claims.items() if not is_over(claim)))

    def free(self, is_over: IsOver) -> list[int]:
        """The messages that can be received, in order."""
        taken = self.done | self.hidden(is_over)
        return [message for message in range(len(self.receives)) if message not in taken]

    def others(self, mine: str, is_over: IsOver) -> bool:
        """Whether a receive of another process, whose tokens do not begin with `mine`, holds messages here."""
        return any(c.token and not c.token.startswith(mine) and not is_over(c) for c in self.claims)

    def claimed(self, token: str, messages: Collection[int], seconds: float) -> "PackState":
        """These messages are received once more, and hidden for `seconds`."""
        taken = frozenset(messages)
        receives = tuple(n + (message in taken) for message, n in enumerate(self.receives))
        claims = {**_without(self.claims, taken), Claim(token, self.version + 1, seconds): taken}
        return replace(self, receives=receives, claims=claims)

    def extended(self, token: str, messages: Collection[int], seconds: float) -> tuple["PackState", frozenset[int]]:
        """Those of `messages` that `token` still holds are hidden for `seconds` from now; which those are."""
        kept = self._held(token, messages)
        if not kept:
            return self, kept
        claims = _without(self.claims, kept)
        if seconds > 0:
            renewed = Claim(token, self.version + 1, seconds)
            claims[renewed] = claims.get(renewed, frozenset()) | kept
        return replace(self, claims=claims), kept

    def deleted(self, token: str, messages: Collection[int]) -> "PackState":
        """Those of `messages` that `token` still holds are done."""
        gone = self._held(token, messages)
        return replace(self, done=self.done | gone, claims=_without(self.claims, gone)) if gone else self

    def _held(self, token: str, messages: Collection[int]) -> frozenset[int]:
        of_token = (held for claim, held in self.claims.items() if claim.token == token)
        return frozenset(messages).intersection(frozenset().union(*of_token))

    def next(self) -> "PackState":
        """The version after this one, with all changes that were made of this one."""
        return replace(self, version=self.version + 1)


def _without(claims: Mapping[Claim, frozenset[int]], messages: frozenset[int]) -> dict[Claim, frozenset[int]]:
    return {claim: left for claim, held in claims.items() if (left := held - messages)}


def encode(state: PackState, writer: str) -> bytes:
    """The object of a version. `writer` makes it different from what others would write in its place."""
    received: dict[int, list[int]] = {}
    for message, count in enumerate(state.receives):
        if count and message not in state.done:
            received.setdefault(count, []).append(message)
    record = {
        "v": VERSION,
        "by": writer,
        "done": _spans(state.done),
        "received": [[count, _spans(messages)] for count, messages in received.items()],
        "claims": [[*claim, _spans(held)] for claim, held in state.claims.items()],
    }
    return json.dumps(record, separators=(",", ":")).encode()


def decode(body: bytes, version: int, count: int, key: str) -> PackState:
    """Version `version` of a pack of `count` messages; DamagedRecordError when the object at `key` is no such."""
    try:
        record = fields.parse(body)
        if record["v"] != VERSION:
            raise ValueError(f"its version is {record['v']!r}, this fanout knows {VERSION}")
        receives = [0] * count
        for times, spans in record["received"]:
            for message in _messages(spans, count):
                receives[message] = fields.whole(times, "a receive count")
        claims = {
            Claim(str(token), fields.whole(beat, "a beat"), fields.seconds(seconds, "a claim")): _messages(spans, count)
            for token, beat, seconds, spans in record["claims"]
        }
        return PackState(version, tuple(receives), _messages(record["done"], count), claims)
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise DamagedRecordError(f"{key}: not the state of messages: {type(exc).__name__}: {exc}") from exc


def encode_bodies(bodies: Iterable[str]) -> bytes:
    """The object with the messages of a pack, its version 0."""
    return json.dumps({"v": VERSION, "bodies": list(bodies)}, separators=(",", ":")).encode()


def decode_bodies(body: bytes, count: int, key: str) -> list[str]:
    """The messages of a pack; DamagedRecordError when the object at `key` does not hold `count` of them."""
    try:
        record = fields.parse(body)
        bodies = record["bodies"]
        if record["v"] != VERSION or len(bodies) != count or not all(isinstance(text, str) for text in bodies):
            raise ValueError(f"expected {count} texts")
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise DamagedRecordError(f"{key}: not the messages of a pack: {type(exc).__name__}: {exc}") from exc
    return list(bodies)


def _spans(messages: Iterable[int]) -> list[list[int]]:
    """Numbers as spans [from, to)."""
    spans: list[list[int]] = []
    for message in sorted(messages):
        if spans and spans[-1][1] == message:
            spans[-1][1] = message + 1
        else:
            spans.append([message, message + 1])
    return spans


def _messages(spans: Iterable[tuple[int, int]], count: int) -> frozenset[int]:
    found: set[int] = set()
    for start, stop in spans:
        first = fields.whole(start, "the first message of a span", below=count)
        found.update(range(first, fields.whole(stop, "the end of a span", least=first, below=count + 1)))
    return frozenset(found)
