"""Result objects: what is written is read back, and anything else is refused by name."""

import json
import math
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.errors import DamagedRecordError
from fanout.records.parts import ItemRange
from fanout.results import codec
from fanout.results.codec import PREFIX, Cause, Entries, Entry, Event, Failure, Status
from fanout.results.columns import Columns

KEY = "runs/r/s/results/000/00000000"
text = st.text(max_size=20)
failures = st.builds(Failure, cause=st.sampled_from(Cause), message=text, traceback=text)
count = st.integers(0, 2**31)
parts = st.builds(
    lambda start, items: ItemRange(start, start + items), st.integers(0, 2**30), st.integers(1, 2**30 - 1)
)
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
    body = codec.encode([e for e, _ in pairs], [r for _, r in pairs], noted)
    index = codec.decode_index(body, KEY)
    assert index.events == tuple(noted)
    for found, (given_entry, rows) in zip(index.entries, pairs, strict=True):
        assert replace(found, start=0, length=0, crc=0) == given_entry
        start = index.rows_at + found.start
        assert body[start : start + found.length] == rows
        codec.check_rows(rows, found.crc, KEY, found.index)


def test_surrogates_survive(entry: Callable[..., Entry]) -> None:
    """Names of files that are not UTF-8 reach the store and come back."""
    odd = entry(0, files=("out/caf\udce9.txt",), failure=Failure(Cause.EXCEPTION, "caf\udce9"))
    assert codec.decode_index(codec.encode([odd], [b""]), KEY).entries[0].files == odd.files


@pytest.mark.parametrize("length", [0, 3, 4, 11, 12, 40, -60])
def test_truncated_objects_are_refused(entry: Callable[..., Entry], length: int) -> None:
    """However little is left of an index, the error names the object."""
    body = codec.encode([entry(0), entry(1)], [b"", b""])
    with pytest.raises(DamagedRecordError, match=KEY):
        codec.decode_index(body[:length], KEY)


def test_altered_objects_are_refused(entry: Callable[..., Entry]) -> None:
    """One other byte anywhere in the index is noticed."""
    body = bytearray(codec.encode([entry(0)], [b""]))
    for at in range(len(body)):
        altered = body.copy()
        altered[at] ^= 1
        with pytest.raises(DamagedRecordError, match=KEY):
            codec.decode_index(bytes(altered), KEY)


def _object(line: bytes, numbers: bytes = b"") -> bytes:
    index = line + numbers
    return PREFIX.pack(codec.MAGIC, len(index), zlib.crc32(index)) + index


GOOD: list[list[Any]] = [[0], [0], [0], [1], [1], [0], [0.0], [0.0], [0.0], [0], [0], [0], [0]]
LINE: dict[str, Any] = {"v": 2, "entries": 1, "processes": ["p"], "headers": [], "more": [], "events": []}


def _with(line: object, columns: list[list[Any]] = GOOD) -> bytes:
    return _object(json.dumps(line).encode() + b"\n", Columns.of(columns).pack())


def _but(at: int, value: float) -> list[list[Any]]:
    return [*GOOD[:at], [value], *GOOD[at + 1 :]]


def test_one_entry_as_it_lies() -> None:
    """The objects that the next test breaks are whole otherwise."""
    [found] = codec.decode_index(_with(LINE), KEY).entries
    assert found == Entry(0, 0, Status.SUCCEEDED, 1, 1, "p", 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "line",
    [
        [],
        7,
        {},
        {**LINE, "v": 1},
        {**LINE, "entries": 0},
        {**LINE, "entries": 2},
        {**LINE, "entries": -1},
        {**LINE, "entries": 2**40},
        {**LINE, "entries": None},
        {**LINE, "processes": []},
        {**LINE, "processes": "p"},
        {**LINE, "processes": [7]},
        {**LINE, "headers": None},
        {**LINE, "headers": [None]},
        {**LINE, "more": {"0": {}}},
        {**LINE, "more": [[1, {}]]},
        {**LINE, "more": [[-1, {}]]},
        {**LINE, "more": [[0, []]]},
        {**LINE, "more": [[0, {"files": "out"}]]},
        {**LINE, "more": [[0, {"failure": ["no such cause", "", ""]}]]},
        {**LINE, "more": [[0, {"failure": ["exit", 1, ""]}]]},
        {**LINE, "events": [["p", 0.0]]},
        {name: value for name, value in LINE.items() if name != "more"},
    ],
)
def test_lines_with_wrong_content_are_refused(line: object) -> None:
    """Another version, missing fields and what cannot be are refused by name, never taken in."""
    with pytest.raises(DamagedRecordError, match=KEY):
        codec.decode_index(_with(line), KEY)


@pytest.mark.parametrize(
    "columns",
    [
        _but(2, len(Status)),
        _but(2, 255),
        _but(5, 1),
        _but(6, math.nan),
        _but(6, -0.001),
        _but(7, math.inf),
        _but(8, 1e11),
        _but(10, 1),
        _but(11, 2**63),
        [[*column, *column] for column in GOOD],
    ],
)
def test_numbers_that_cannot_be_are_refused(columns: list[list[Any]]) -> None:
    """Neither times that are none, nor places in tables that are shorter, nor other numbers of them than was said."""
    with pytest.raises(DamagedRecordError, match=KEY):
        codec.decode_index(_with(LINE, columns), KEY)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"v":2}', b"\n", b"[" * 100_000 + b"\n"])
def test_indexes_without_a_line_are_refused(body: bytes) -> None:
    """What is no index at all."""
    with pytest.raises(DamagedRecordError, match=KEY):
        codec.decode_index(_object(body), KEY)


def test_objects_of_the_version_before_are_refused() -> None:
    """They are called what they are."""
    with pytest.raises(DamagedRecordError, match="not a result object of this version of fanout"):
        codec.decode_index(b"FNO1" + _with(LINE)[4:], KEY)


def test_entries_are_a_sequence(entry: Callable[..., Entry]) -> None:
    """Made when they are asked for, they are what was put in."""
    given_entries = [entry(0), entry(1, status=Status.FAILED, failure=Failure(Cause.EXIT, "1")), entry(2, header="a")]
    found = Entries.of(given_entries)
    assert list(found) == given_entries == found[:]
    assert found[-1].header == "a"
    assert found[1:2] == given_entries[1:2]
    assert (found == Entries.of(given_entries), found == Entries.of(given_entries[1:])) == (True, False)
    assert (found.are_plain, Entries.of(given_entries[::2]).are_plain, list(found.special)) == (False, True, [1])
    with pytest.raises(IndexError):
        found[3]


def test_altered_rows_are_refused() -> None:
    """Rows are checked by their own digest; the error names object and mini-batch."""
    codec.check_rows(b"a\n", zlib.crc32(b"a\n"), KEY, 7)
    with pytest.raises(DamagedRecordError, match=f"{KEY}.*mini-batch 7"):
        codec.check_rows(b"b\n", zlib.crc32(b"a\n"), KEY, 7)


@pytest.mark.parametrize("part", [[0], [0, 0], [3, 2], [-1, 2], ["0", 2], "01", [0, 2**31]])
def test_a_part_that_cannot_be_is_refused(entry: Callable[..., Entry], part: object) -> None:
    """Parts are ranges of items with something in them."""
    body = _with_index(
        codec.encode([entry(0, part=ItemRange(0, 1))], [b""]), lambda text: text.replace("[0, 1]", json.dumps(part))
    )
    with pytest.raises(DamagedRecordError, match=KEY):
        codec.decode_index(body, KEY)


@pytest.mark.parametrize("part", [None, ItemRange(3, 4)])
def test_a_split_of_one_item_is_refused(entry: Callable[..., Entry], part: ItemRange | None) -> None:
    """Only what holds several items has halves."""
    body = codec.encode([entry(0, items=1, status=Status.SPLIT, part=part)], [b""])
    with pytest.raises(DamagedRecordError, match="was split, and has one item"):
        codec.decode_index(body, KEY)


def _with_index(body: bytes, change: Callable[[str], str]) -> bytes:
    """The object with another line in its index, whose digest is right."""
    end = codec.index_size(body, KEY)
    line, _, numbers = body[PREFIX.size : end].partition(b"\n")
    return _object(change(json.dumps(json.loads(line))).encode() + b"\n", numbers) + body[end:]
