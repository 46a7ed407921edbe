"""Result objects: what is written is read back, and anything else is refused by name."""

import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.errors import DamagedRecordError
from fanout.plan.parts import Part
from fanout.step import results
from fanout.step.results import PREFIX, Cause, Entry, Event, Failure, Status

KEY = "runs/r/s/results/000/00000000"
text = st.text(max_size=20)
failures = st.builds(Failure, cause=st.sampled_from(Cause), message=text, traceback=text)
count = st.integers(0, 2**31)
parts = st.builds(lambda start, items: Part(start, start + items), st.integers(0, 2**30), st.integers(1, 2**30 - 1))
seconds = st.integers(0, 10**9).map(lambda n: n / 1000)
entries = st.builds(
    Entry,
    index=count,
    attempt=st.integers(0, 300),
    status=st.sampled_from(Status),
    items=count,
    succeeded=count,
    process=text,
    started=seconds,
    load_seconds=seconds,
    run_seconds=seconds,
    rows=count,
    header=st.none() | text,
    files=st.lists(text, max_size=2).map(tuple),
    failure=st.none() | failures,
    part=st.none() | parts,
    copy=st.booleans(),
).filter(lambda e: e.status is not Status.SPLIT or (e.items if e.part is None else e.part.items) > 1)
events = st.builds(
    Event, text, seconds, st.none() | failures, gave_up=st.booleans(), files=st.lists(text, max_size=2).map(tuple)
)


@given(st.lists(st.tuples(entries, st.binary(max_size=50)), max_size=5), st.lists(events, max_size=3))
def test_round_trip(pairs: list[tuple[Entry, bytes]], noted: list[Event]) -> None:
    """Every entry and event comes back as it was, and its byte range holds its rows."""
    body = results.encode([e for e, _ in pairs], [r for _, r in pairs], noted)
    index = results.decode_index(body, KEY)
    assert index.events == tuple(noted)
    for found, (given_entry, rows) in zip(index.entries, pairs, strict=True):
        assert replace(found, start=0, length=0, crc=0) == given_entry
        start = index.rows_at + found.start
        assert body[start : start + found.length] == rows
        results.check_rows(rows, found.crc, KEY, found.index)


def test_surrogates_survive(entry: Callable[..., Entry]) -> None:
    """Names of files that are not UTF-8 reach the store and come back."""
    odd = entry(0, files=("out/caf\udce9.txt",), failure=Failure(Cause.EXCEPTION, "caf\udce9"))
    assert results.decode_index(results.encode([odd], [b""]), KEY).entries[0].files == odd.files


@pytest.mark.parametrize("length", [0, 3, 4, 11, 12, 40, -60])
def test_truncated_objects_are_refused(entry: Callable[..., Entry], length: int) -> None:
    """However little is left of an index, the error names the object."""
    body = results.encode([entry(0), entry(1)], [b"", b""])
    with pytest.raises(DamagedRecordError, match=KEY):
        results.decode_index(body[:length], KEY)


def test_altered_objects_are_refused(entry: Callable[..., Entry]) -> None:
    """One other byte anywhere in the index is noticed."""
    body = bytearray(results.encode([entry(0)], [b""]))
    for at in range(len(body)):
        altered = body.copy()
        altered[at] ^= 1
        with pytest.raises(DamagedRecordError, match=KEY):
            results.decode_index(bytes(altered), KEY)


def _object(fields: Any) -> bytes:
    index = json.dumps(fields).encode()
    return PREFIX.pack(b"FNO1", len(index), zlib.crc32(index)) + index


GOOD = [0, 0, "succeeded", 1, 1, "p", 0.0, 0.0, 0.0, 0, 0, 0, 0]


def _but(at: int, value: Any) -> list[Any]:
    return [*GOOD[:at], value, *GOOD[at + 1 :]]


@pytest.mark.parametrize(
    "fields",
    [
        [],
        7,
        {},
        {"v": 2, "entries": []},
        {"v": 1},
        {"v": 1, "entries": 5},
        {"v": 1, "entries": [[]]},
        {"v": 1, "entries": [GOOD[:12]]},
        {"v": 1, "entries": [_but(2, "won")]},
        {"v": 1, "entries": [_but(0, -1)]},
        {"v": 1, "entries": [_but(0, 1.5)]},
        {"v": 1, "entries": [_but(0, "0")]},
        {"v": 1, "entries": [_but(3, -1)]},
        {"v": 1, "entries": [_but(3, 2**32)]},
        {"v": 1, "entries": [_but(4, None)]},
        {"v": 1, "entries": [_but(9, 2**40)]},
        {"v": 1, "entries": [_but(10, -8)]},
        {"v": 1, "entries": [_but(11, 2**70)]},
        {"v": 1, "entries": [_but(12, "x")]},
        {"v": 1, "entries": [[*GOOD, []]]},
        {"v": 1, "entries": [[*GOOD, {"failure": ["no such cause", "", ""]}]]},
        {"v": 1, "entries": [], "events": [["p", 0.0]]},
    ],
)
def test_whole_objects_with_wrong_content_are_refused(fields: Any) -> None:
    """Another version, missing fields and numbers that cannot be are refused by name, never taken in."""
    with pytest.raises(DamagedRecordError, match=KEY):
        results.decode_index(_object(fields), KEY)


def test_altered_rows_are_refused() -> None:
    """Rows are checked by their own digest; the error names object and mini-batch."""
    results.check_rows(b"a\n", zlib.crc32(b"a\n"), KEY, 7)
    with pytest.raises(DamagedRecordError, match=f"{KEY}.*mini-batch 7"):
        results.check_rows(b"b\n", zlib.crc32(b"a\n"), KEY, 7)


@pytest.mark.parametrize("part", [[0], [0, 0], [3, 2], [-1, 2], ["0", 2], "01", [0, 2**31]])
def test_a_part_that_cannot_be_is_refused(entry: Callable[..., Entry], part: object) -> None:
    """Parts are ranges of items with something in them."""
    body = _with_index(
        results.encode([entry(0, part=Part(0, 1))], [b""]), lambda text: text.replace("[0, 1]", json.dumps(part))
    )
    with pytest.raises(DamagedRecordError, match=KEY):
        results.decode_index(body, KEY)


@pytest.mark.parametrize("part", [None, Part(3, 4)])
def test_a_split_of_one_item_is_refused(entry: Callable[..., Entry], part: Part | None) -> None:
    """Only what holds several items has halves."""
    body = results.encode([entry(0, items=1, status=Status.SPLIT, part=part)], [b""])
    with pytest.raises(DamagedRecordError, match="was split, and has one item"):
        results.decode_index(body, KEY)


def _with_index(body: bytes, change: Callable[[str], str]) -> bytes:
    """The object with another index, whose digest is right."""
    end = results.index_size(body, KEY)
    text = change(json.dumps(json.loads(body[PREFIX.size : end]))).encode()
    return PREFIX.pack(results.MAGIC, len(text), zlib.crc32(text)) + text + body[end:]
