"""Messages: one mini-batch as it travels through the queue (design, section 4).

A message carries the mini-batch's JSON line as it stands in the manifest when that is small, else a pointer to it. The
line passes through node and slot untouched, so that it is composed once, by the planner, and parsed once, in the slot.
A message is signed with the key of its step (`fanout.security.signature`). Of a step without a key it carries a CRC-32
of the line. `decode` takes both, and checks no signature: that is `Signer.check`, before it.
"""

import json
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fanout.errors import DamagedRecordError
from fanout.records import fields as checked
from fanout.records.parts import ItemRange, read_part
from fanout.security.signature import LENGTH, UNSIGNED, Signer
from fanout.storage.keys import StepRound

VERSION = 1
COMMAND = "command"
"""The kind of an order: run a command step. A standing queue holds such beside mini-batches."""
INLINE_LIMIT = 8 * 1024
LONGEST_LINE = 256 * 1024 * 1024
"""Bytes of one mini-batch's line: a million long names."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where a mini-batch's line stands: a manifest's key, the byte range in it, and the CRC-32 of what stands there."""

    key: str
    start: int
    length: int
    crc: int

    @classmethod
    def to(cls, key: str, start: int, line: str) -> "Pointer":
        """The place of `line`, which begins at byte `start` of the manifest at `key`."""
        return cls(key, start, len(line), zlib.crc32(line.encode("ascii")))

    def check(self, found: bytes) -> bytes:
        """`found` itself, when it is what was planned; else DamagedRecordError, naming the manifest."""
        if len(found) != self.length or zlib.crc32(found) != self.crc:
            raise DamagedRecordError(f"{self.key} at byte {self.start}: the manifest was altered since it was planned")
        return found


@dataclass(slots=True)
class Message:
    """One try at one mini-batch, or at a `part` of it: its line, or a pointer to it.

    `attempt` counts tries of user code, 0 first. A `copy` runs beside the try it doubles; nothing follows from its
    failure. Not frozen, since each is made three times faster so; no code changes one.
    """

    at: StepRound
    index: int
    attempt: int
    line: str | None = None
    pointer: Pointer | None = None
    part: ItemRange | None = None
    copy: bool = False
    alone: bool = False
    """Several nodes vanished with it in hand, and it may be why: a node that takes it holds nothing else."""
    failed_on: tuple[int, ...] = ()
    """The nodes on which its earlier tries failed, one for each: the last of them leaves it to others."""
    passed_on: int = 0
    """How often that one has done so since."""


def encode(message: Message, signer: Signer = UNSIGNED) -> str:
    """The message as the body of a queue message; `line` goes in as the JSON object it is."""
    if message.line is not None:
        content = f'"batch":{message.line}' if signer.signs else _content(message.line)
    elif message.pointer is not None:
        p = message.pointer
        content = f'"at":{json.dumps([p.key, p.start, p.length, p.crc], separators=(",", ":"))}'
    else:
        raise ValueError(f"the message for mini-batch {message.index} carries neither a line nor a pointer")
    is_special = message.part or message.copy or message.alone or message.failed_on
    special = _special(message) if is_special else ""
    return signer.sign(f'{_head(message.at)}"index":{message.index},"attempt":{message.attempt},{special}{content}}}')


def encode_first(at: StepRound, lines: Iterable[tuple[int, str]], signer: Signer = UNSIGNED) -> list[str]:
    """As `encode` of a first try each, for the mini-batches of these indexes with these lines."""
    head = _head(at)
    if signer.signs:
        return [signer.sign(f'{head}"index":{index},"attempt":0,"batch":{line}}}') for index, line in lines]
    return [f'{head}"index":{index},"attempt":0,{_content(line)}}}' for index, line in lines]


def _content(line: str) -> str:
    return f'"crc":{zlib.crc32(line.encode())},"batch":{line}'


@lru_cache(maxsize=16)
def _head(at: StepRound) -> str:
    """How all messages of a step begin."""
    round_ = "" if at.round == 1 else f'"round":{at.round},'
    return f'{{"v":{VERSION},"run":{json.dumps(at.run)},"step":{json.dumps(at.step)},{round_}'


def encode_order(kind: str, at: StepRound, signer: Signer = UNSIGNED) -> str:
    """The body that asks a function for something about a whole step, such as to run its command."""
    fields = {"v": VERSION, "kind": kind, "run": at.run, "step": at.step, "round": at.round}
    return signer.sign(json.dumps(fields, separators=(",", ":")))


def decode_order(kind: str, body: str) -> StepRound | None:
    """The step that `body` is about, when it is such an order; None when it is something else."""
    try:
        fields = checked.parse(body)
        if fields["v"] != VERSION or fields["kind"] != kind:
            return None
        round_ = checked.whole(fields["round"], "round", least=1)
        return StepRound(checked.text(fields["run"], "run"), checked.text(fields["step"], "step"), round_)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _special(message: Message) -> str:
    """What only few messages have."""
    part = "" if message.part is None else f'"part":[{message.part.start},{message.part.stop}],'
    copy = '"copy":true,' if message.copy else ""
    alone = '"alone":true,' if message.alone else ""
    failed_on = f'"failed_on":[{",".join(map(str, message.failed_on))}],' if message.failed_on else ""
    passed_on = f'"passed_on":{message.passed_on},' if message.passed_on else ""
    return f"{part}{copy}{alone}{failed_on}{passed_on}"


_ORDINARY = re.compile(
    rf"""\{{"v":{VERSION},"run":"([^"\\\x00-\x1f]+)","step":"([^"\\\x00-\x1f]+)","""
    r""""index":(0|[1-9][0-9]{0,8}),"attempt":(0|[1-9][0-9]{0,8}),"crc":([0-9]{1,10}),"""
    r""""batch":(?=\{"index":\3[,}])"""
)
"""How what `encode` composes of nearly every mini-batch begins, a first try of the first round; its line follows."""


@lru_cache(maxsize=16)
def _step(run: str, step: str) -> StepRound:
    return StepRound(run, step)


@lru_cache(maxsize=16)
def _signed_head(at: StepRound) -> str:
    """How all messages of a step go on behind their signatures."""
    return f'{_head(at)[1:]}"index":'


_FIRST_TRY = ',"attempt":0,"batch":{'


def decode_signed(body: str, at: StepRound) -> Message:
    """As `decode`, of a body with a checked signature of the step `at`: nearly all are first tries, as composed."""
    head = _signed_head(at)
    if body.startswith(head, LENGTH):
        start = LENGTH + len(head)
        stop = body.find(",", start)
        if body.startswith(_FIRST_TRY, stop) and (digits := body[start:stop]).isdecimal():
            return Message(at, int(digits), 0, body[stop + len(_FIRST_TRY) - 1 : -1])
    return _parse(body)


def decode(body: str) -> Message:
    """The message in `body`; DamagedRecordError says what is wrong with it."""
    # One expression and a checksum cost a tenth of parsing everything, and this is done for every mini-batch.
    found = _ORDINARY.match(body)
    if found is not None and body.endswith("}"):
        run, step, index, attempt, crc = found.groups()
        line = body[found.end() : -1]
        if zlib.crc32(line.encode("utf-8", "surrogatepass")) == int(crc):
            return Message(_step(run, step), int(index), int(attempt), line)
    return _parse(body)


def _parse(body: str) -> Message:
    try:
        fields = checked.parse(body)
        if fields["v"] != VERSION:
            raise ValueError(f"version {fields['v']!r:.20}, this fanout reads version {VERSION}")
        round_ = checked.whole(fields.get("round", 1), "round", least=1)
        return Message(
            at=StepRound(checked.text(fields["run"], "run"), checked.text(fields["step"], "step"), round_),
            index=checked.whole(fields["index"], "index"),
            attempt=checked.whole(fields["attempt"], "attempt"),
            line=_line(body, fields),
            pointer=_pointer(*fields["at"]) if "at" in fields else None,
            part=read_part(fields["part"]) if "part" in fields else None,
            copy="copy" in fields and _flag(fields, "copy"),
            alone="alone" in fields and _flag(fields, "alone"),
            failed_on=checked.numbers(fields.get("failed_on", []), "failed_on"),
            passed_on=checked.whole(fields.get("passed_on", 0), "passed_on"),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise DamagedRecordError(f"message {body[:80]!r}: {type(exc).__name__}: {exc}") from exc


def _line(body: str, fields: dict[str, Any]) -> str | None:
    """The line as it was sent: a slice of the body, which spares composing it anew."""
    if "at" in fields:
        return None
    if not isinstance(fields["batch"], dict) or fields["batch"]["index"] != fields["index"]:
        raise ValueError("batch is not the mini-batch that the message names")
    at = body.find('"batch":{')
    whole = at > 0 and body.endswith("}}") and next(reversed(fields)) == "batch"
    return body[at + 8 : -1] if whole else json.dumps(fields["batch"], separators=(",", ":"), ensure_ascii=False)


def _flag(fields: dict[str, Any], name: str) -> bool:
    value = fields[name]
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {value!r:.80}, expected true or false")
    return value


def _pointer(key: object, start: object, length: object, crc: object) -> Pointer:
    return Pointer(
        checked.text(key, "the key of a manifest"),
        checked.whole(start, "start"),
        checked.whole(length, "length", least=1, below=LONGEST_LINE),
        checked.whole(crc, "CRC", below=2**32),
    )
