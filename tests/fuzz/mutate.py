"""Mutations: a valid input and a generator of random numbers to an input that is probably not valid. Pure."""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

LARGEST = 256 * 1024
"""Bytes of a mutated input: enough for every limit that a reader has, and for time that grows with the square."""

WORDS = (
    rb"""
null true false NaN -Infinity 1e999 -1 0 2147483648 9223372036854775808 18446744073709551616 0.5 [] {} "" '' ../ / // \
. .. ~ , : ; " ' ` $ * ? [ ] { } ( ) & < > | # @ = ${{ }} $[[ ]] <<: &a *a !!python/object:os.system --- ... \u0000
\ud800 %00 %2e%2e%2f %zz s3:// file:// https://
""".split()
    + [bytes([at]) for at in (0, 9, 10, 13, 32, 127, 128, 255)]
)
WORDS += [b"\xc0\x80", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xe2\x80\xae", b"\r\n"]
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1.5, 2**31, 2**32, 2**63, 2**64, -(2**63), 10**400, 1e308, float("nan"), float("inf"),
    "", "x", "0", "1", "../x", "/etc/passwd", "a\0b", "\ud800", "x" * 2000, [], {}, [[]], [None], {"": None},
    [0, 0], ["", ""], {"v": 1},
)  # fmt: skip


def mutate(seeds: Sequence[bytes], chance: random.Random) -> bytes:
    """One of `seeds` with a few changes, at most `LARGEST` bytes."""
    body = chance.choice(seeds)
    if chance.random() < 0.5 and (changed := _of_json(body, chance)) is not None:
        body = changed
        if chance.random() < 0.7:
            return body[:LARGEST]
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        body = chance.choice(_CHANGES)(body, seeds, chance)[:LARGEST]
    return body


Change = Callable[[bytes, Sequence[bytes], random.Random], bytes]


def _flip(body: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    if not body:
        return b"\0"
    changed = bytearray(body)
    changed[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _overwrite(body: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    start, _stop = _span(body, chance)
    return body[:start] + chance.randbytes(chance.choice((1, 2, 4, 8))) + body[start:]


def _cut(body: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    return body[: chance.randint(0, len(body))]


def _remove(body: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    start, stop = _span(body, chance)
    return body[:start] + body[stop:]


def _insert(body: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    at = chance.randint(0, len(body))
    return body[:at] + chance.choice(WORDS) + body[at:]


def _replace(body: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    start, stop = _span(body, chance)
    return body[:start] + chance.choice(WORDS) + body[stop:]


def _splice(body: bytes, seeds: Sequence[bytes], chance: random.Random) -> bytes:
    other = chance.choice(seeds)
    start, stop = _span(other, chance)
    at = chance.randint(0, len(body))
    return body[:at] + other[start:stop] + body[chance.choice((at, min(len(body), at + stop - start))) :]


def _repeat(body: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    start, stop = _span(body, chance)
    times = min(chance.choice((2, 10, 200, 5000)), 1 + LARGEST // max(1, stop - start))
    return body[:start] + body[start:stop] * times + body[stop:]


def _nest(body: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    start, stop = _span(body, chance)
    before, after = chance.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"(", b")"), (b"{a: ", b"}"), (b"not (", b")")))
    depth = chance.choice((3, 60, 3000, 40_000))
    return body[:start] + before * depth + body[start:stop] + after * depth + body[stop:]


def _digits(body: bytes, _: Sequence[bytes], chance: random.Random) -> bytes:
    places = [at for at, byte in enumerate(body[:20_000]) if 48 <= byte <= 57]
    if not places:
        return body
    at = chance.choice(places)
    return body[:at] + chance.choice((b"9" * 20, b"9" * 5000, b"-1", b"1e400", b"0x10", b"")) + body[at + 1 :]


_CHANGES: tuple[Change, ...] = (
    _flip, _flip, _overwrite, _cut, _remove, _insert, _insert, _replace, _replace, _splice, _repeat, _nest, _digits,
)  # fmt: skip


def _span(body: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randint(0, len(body))
    return start, min(len(body), start + chance.choice((1, 2, 5, 20, 200)))


def _of_json(body: bytes, chance: random.Random) -> bytes | None:
    """The JSON text with one value of it changed, which gets past where bytes alone would not; None when it is none."""
    try:
        tree = json.loads(body)
    except ValueError:
        return None
    for _ in range(chance.choice((1, 1, 2))):
        tree = _changed(tree, chance)
    return json.dumps(tree).encode()


def _changed(tree: Any, chance: random.Random) -> Any:
    if not isinstance(tree, (dict, list)) or not tree or chance.random() < 0.1:
        return chance.choice(ODD)
    key = chance.choice(list(tree)) if isinstance(tree, dict) else chance.randrange(len(tree))
    changed = tree.copy()
    match chance.randrange(8):
        case 0:
            del changed[key]
        case 1 if isinstance(changed, dict):
            changed[chance.choice(("", "x", key + "x"))] = changed.pop(key)
        case 1:
            changed.append(changed[key])
        case _:
            changed[key] = _changed(tree[key], chance)
    return changed
