"""Messages: one mini-batch as it travels through the queue (design, section 4).

A message carries the mini-batch's JSON line as it stands in the manifest when that is small, else a pointer to it. The
line passes through node and slot untouched, so that it is composed once, by the planner, and parsed once, in the slot.
"""

import json
from dataclasses import dataclass
from typing import Any

from fanout.errors import DamagedRecordError
from fanout.store.keys import StepRound

VERSION = 1
INLINE_LIMIT = 8 * 1024


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where a mini-batch's line stands: a manifest's key and the byte range in it."""

    key: str
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Message:
    """One try at one mini-batch: its line, or a pointer to it. `attempt` counts tries of user code, 0 first."""

    at: StepRound
    index: int
    attempt: int
    line: str | None = None
    pointer: Pointer | None = None


def encode(message: Message) -> str:
    """The message as the body of a queue message; `line` goes in as the JSON object it is."""
    round_ = "" if message.at.round == 1 else f'"round":{message.at.round},'
    if message.line is not None:
        content = f'"batch":{message.line}'
    elif message.pointer is not None:
        p = message.pointer
        content = f'"at":{json.dumps([p.key, p.start, p.length], separators=(",", ":"))}'
    else:
        raise ValueError(f"the message for mini-batch {message.index} carries neither a line nor a pointer")
    return (
        f'{{"v":{VERSION},"run":{json.dumps(message.at.run)},"step":{json.dumps(message.at.step)},'
        f'{round_}"index":{message.index},"attempt":{message.attempt},{content}}}'
    )


def decode(body: str) -> Message:
    """The message in `body`; DamagedRecordError says what is wrong with it."""
    try:
        fields = json.loads(body)
        if fields["v"] != VERSION:
            raise ValueError(f"version {fields['v']!r}, this fanout reads version {VERSION}")
        return Message(
            at=StepRound(_text(fields, "run"), _text(fields, "step"), _round(fields)),
            index=_count(fields, "index"),
            attempt=_count(fields, "attempt"),
            line=_line(body, fields),
            pointer=_pointer(fields["at"]) if "at" in fields else None,
        )
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise DamagedRecordError(f"message {body[:80]!r}: {type(exc).__name__}: {exc}") from exc


def _line(body: str, fields: dict[str, Any]) -> str | None:
    """The line as it was sent: a slice of the body, which spares composing it anew."""
    if "at" in fields:
        return None
    if not isinstance(fields["batch"], dict) or fields["batch"]["index"] != fields["index"]:
        raise ValueError("batch is not the mini-batch that the message names")
    at = body.find('"batch":{')
    whole = at > 0 and body.endswith("}}")
    return body[at + 8 : -1] if whole else json.dumps(fields["batch"], separators=(",", ":"), ensure_ascii=False)


def _pointer(fields: list[Any]) -> Pointer:
    key, start, length = fields
    if not (isinstance(key, str) and isinstance(start, int) and isinstance(length, int) and start >= 0 < length):
        raise ValueError(f"{fields!r} is not a place in a manifest")
    return Pointer(key, start, length)


def _round(fields: dict[str, Any]) -> int:
    number = fields.get("round", 1)
    if type(number) is not int or number < 1:
        raise ValueError(f"round is {number!r}")
    return number


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields[name]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is {value!r}")
    return value


def _count(fields: dict[str, Any], name: str) -> int:
    value = fields[name]
    if type(value) is not int or value < 0:
        raise ValueError(f"{name} is {value!r}")
    return value
