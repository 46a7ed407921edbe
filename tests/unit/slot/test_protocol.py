"""Orders and answers: what node and slot say to each other survives the way through a frame."""

import json
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.records.parts import ItemRange
from fanout.records.value_changes import Change, How
from fanout.results.codec import Cause, Failure
from fanout.slot import protocol
from fanout.slot.frames import FrameBuffer
from fanout.slot.protocol import (
    Answer,
    ControlOrder,
    Done,
    Loaded,
    Order,
    ProtocolViolation,
    Ready,
    StartFailed,
    StartOrder,
    Stopped,
    Task,
)

FAILURES = st.builds(Failure, st.sampled_from(Cause), st.text(), st.text())
COUNTS = st.integers(0, 2**31 - 1)
SECONDS = st.floats(0, 1e9)
NAMES = st.lists(st.text("abc /.é", min_size=1).filter(lambda name: name[0] != "/" and ".." not in name))
CHANGES = st.lists(
    st.builds(Change, st.text(max_size=9), st.sampled_from(How), COUNTS, st.text(max_size=9), st.text(), COUNTS, COUNTS)
)
DONE = st.builds(
    Done,
    COUNTS,
    COUNTS,
    SECONDS,
    SECONDS,
    COUNTS,
    st.binary(),
    st.none() | st.text(),
    NAMES.map(tuple),
    st.none() | FAILURES,
    st.none() | SECONDS,
    CHANGES.map(tuple),
)
PARTS = st.none() | st.builds(lambda start, items: ItemRange(start, start + items), COUNTS, st.integers(1, 100))
TASKS = st.lists(
    st.tuples(st.binary(), st.integers(0, 3), PARTS).map(lambda fields: Task(*fields)), min_size=1, max_size=5
)


def _answer(frame: bytes) -> Answer:
    [(head, payload)] = FrameBuffer().feed(frame)
    return protocol.answer(head, payload)


def _orders(frames: bytes) -> list[Order]:
    return [order for head, payload in FrameBuffer().feed(frames) for order in protocol.orders_of(head, payload)]


@given(DONE)
def test_done_comes_back(done: Done) -> None:
    """Counts, times, rows, header, files and failure."""
    assert _answer(done.frame()) == done


@given(FAILURES, NAMES)
def test_the_other_answers_come_back(failure: Failure, files: list[str]) -> None:
    """Ready, broken, loaded and stopped, each with all it says."""
    assert _answer(protocol.ready_frame(0.5)) == Ready(0.5)
    assert _answer(protocol.start_failed_frame(failure)) == StartFailed(failure)
    assert _answer(protocol.loaded_frame(3, 0.25)) == Loaded(3, 0.25)
    assert _answer(protocol.stopped_frame(failure, files)) == Stopped(failure, tuple(files))
    assert _answer(protocol.stopped_frame(None, files)) == Stopped(None, tuple(files))


def test_the_start_order_comes_back(start_order: Callable[..., StartOrder]) -> None:
    """Everything a slot is told first."""
    start = start_order(arguments=["--a", "b c"], outputs={"plots": "/x"}, recipe="{}", profiling_module="cProfile")
    [(head, payload)] = FrameBuffer().feed(start.frame())
    assert (StartOrder.from_frame(head), payload) == (start, b"")


@given(TASKS)
def test_tasks_come_back(tasks: list[Task]) -> None:
    """In their order, each with its line as it was: the node does not read what only the slot needs."""
    assert _orders(protocol.task_frames(tasks)) == tasks


def test_tasks_that_are_alike_share_a_frame() -> None:
    """A frame costs both sides about as much as a mini-batch does."""
    alike = [Task(b'{"index":%d}' % index, 2) for index in range(9)]
    assert len(list(FrameBuffer().feed(protocol.task_frames(alike)))) == 1
    assert len(list(FrameBuffer().feed(protocol.task_frames([*alike, Task(b"{}", 3)])))) == 10


@pytest.mark.parametrize("word", ControlOrder)
def test_the_words_of_a_node_come_back(word: ControlOrder) -> None:
    """Each in a frame of its own."""
    assert _orders(word.frame()) == [word]


NUMBERS = [1, 1, 0.0, 0.0, 1]


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"t": []},
        {"t": "sing"},
        {"t": "done"},
        {"t": "done", "n": [1, 2], "b": None},
        {"t": "done", "n": [-1, *NUMBERS[1:]], "b": None},
        {"t": "done", "n": [2**31, *NUMBERS[1:]], "b": None},
        {"t": "done", "n": ["1", *NUMBERS[1:]], "b": None},
        {"t": "done", "n": [*NUMBERS[:2], float("nan"), 0.0, 1], "b": None},
        {"t": "done", "n": [*NUMBERS[:2], 0.0, -1.0, 1], "b": None},
        {"t": "done", "n": NUMBERS},
        {"t": "done", "n": NUMBERS, "b": "today"},
        {"t": "done", "n": NUMBERS, "b": None, "h": 5},
        {"t": "done", "n": NUMBERS, "b": None, "f": "plots/a"},
        {"t": "done", "n": NUMBERS, "b": None, "f": ["/etc/passwd"]},
        {"t": "done", "n": NUMBERS, "b": None, "f": ["plots/../../x"]},
        {"t": "done", "n": NUMBERS, "b": None, "f": ["plots/\0"]},
        {"t": "done", "n": NUMBERS, "b": None, "x": ["exception"]},
        {"t": "loaded", "n": None, "s": 0.0},
        {"t": "ready", "s": "soon"},
        {"t": "broken", "x": ["nope", "", ""]},
        {"t": "stopped", "x": None},
    ],
)
def test_other_words_are_garbled(header: dict[str, Any]) -> None:
    """An answer that is none of ours is told as that, not guessed at, whatever user code wrote into the channel."""
    assert isinstance(protocol.answer(json.dumps(header).encode(), b""), ProtocolViolation)


@pytest.mark.parametrize(
    "numbers",
    [
        (2**31, 1, 1, 0.0, 0.0, 0.0),
        (1, 2**31, 1, 0.0, 0.0, 0.0),
        (1, 1, 2**31, 0.0, 0.0, 0.0),
        (1, 1, 1, -1.0, 0.0, 0.0),
        (1, 1, 1, 0.0, float("inf"), 0.0),
        (1, 1, 1, 0.0, 0.0, float("nan")),
    ],
)
def test_numbers_that_cannot_be_are_garbled(numbers: tuple[float, ...]) -> None:
    """Answers that are not JSON are checked as those are."""
    head = struct.pack(">cIIIddd", b"D", *numbers)
    assert isinstance(protocol.answer(head, b""), ProtocolViolation)
    assert isinstance(protocol.answer(head[:-1], b""), ProtocolViolation)
