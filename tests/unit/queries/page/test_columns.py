"""The columns of attempts, as they lie in memory and in a report."""

import json
import random
import zlib
from array import array
from collections.abc import Callable

import pytest

from fanout.queries.page.columns import NAMES, Attempts, packed, wire
from fanout.results.codec import Entries, Entry, Status

Make = Callable[..., Entry]
STARTED = 1_700_000_000.0


@pytest.fixture
def attempts(entry: Make) -> Attempts:
    """Of two nodes: 300 attempts in no order, one of them failed, one that began before all others."""
    chance, found = random.Random(1), Attempts()  # noqa: S311
    for node in (0, 7):
        entries = [entry(i, started=STARTED + chance.random(), run_seconds=chance.random(), rows=i) for i in range(149)]
        entries.append(entry(9, started=STARTED - node, status=Status.RETRIED, attempt=300, process="process001"))
        found.extend(node, Entries.of(entries))
    return found


def _unpacked(body: bytes, *, is_packed: bool) -> tuple[dict[str, object], dict[str, "array[int]"], bytes]:
    """What a browser makes of it, in Python."""
    body = zlib.decompress(body) if is_packed else body
    line, _, rest = body.partition(b"\n")
    assert (len(line) + 1) % 8 == 0
    head, columns = json.loads(line), {}
    for name, code, width, *more in head["columns"]:
        dropped, differences = more or (0, 0)
        raw = bytearray(head["count"] * width)
        if is_packed:
            for plane in range(dropped, width):
                raw[plane::width], rest = rest[: head["count"]], rest[head["count"] :]
        else:
            raw, rest = bytearray(rest[: len(raw)]), rest[len(raw) :]
        columns[name] = array(code, bytes(raw))
        for at in range(1, head["count"] if differences else 0):
            columns[name][at] = (columns[name][at] + columns[name][at - 1]) % 2**32
    return head, columns, rest


def test_a_live_page_reads_what_is_there(attempts: Attempts) -> None:
    """All columns from a place on, each at a multiple of its width, and the outcomes behind them."""
    head, columns, outcome = _unpacked(b"".join(wire(attempts, 100, b"\1\2\3", {"epoch": 4})), is_packed=False)
    assert (head["count"], head["since"], head["epoch"], outcome) == (200, 100, 4, b"\1\2\3")
    assert {name: columns[name] for name in NAMES} == {name: getattr(attempts, name)[100:] for name in NAMES}
    assert head["lanes"] == [[0, "process000"], [0, "process001"], [7, "process000"], [7, "process001"]]


def test_a_report_has_the_same_but_for_the_last_digits_of_seconds(attempts: Attempts) -> None:
    """Whole numbers are exact; seconds are within a thousandth of themselves."""
    head, columns, outcome = _unpacked(packed(attempts, b"\1\2", {}), is_packed=True)
    assert (head["count"], outcome) == (300, b"\1\2")
    for name in set(NAMES) - {"load", "run"}:
        assert columns[name] == getattr(attempts, name)
    assert list(columns["run"]) == pytest.approx(list(attempts.run), rel=1e-3)


def test_numbers_that_are_too_large_are_cut(attempts: Attempts) -> None:
    """An attempt's number ends at 255; what began before the base counts as from there."""
    assert max(attempts.attempt) == 255
    assert all(0 <= start < 2**32 for start in attempts.start)
    assert attempts.ends() == pytest.approx(STARTED + 1, abs=1)


def test_tries_of_one_mini_batch_are_found(attempts: Attempts) -> None:
    """In the order in which they were read."""
    assert attempts.places_of(9) == [9, 149, 159, 299]
    assert attempts.places_of(1000) == []
