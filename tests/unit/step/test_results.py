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
from fanout.step import results
from fanout.step.results import PREFIX, Cause, Entry, Event, Failure, Status

KEY = "runs/r/s/results/000/00000000"
text = st.text(max_size=20)
failures = st.builds(Failure, cause=st.sampled_from(Cause), message=text, traceback=text)
count = st.integers(0, 2**31)
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
)
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
