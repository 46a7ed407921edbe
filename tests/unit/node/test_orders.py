"""Orders and answers: what node and slot say to each other survives the way through a frame."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.node import orders
from fanout.node.frames import FrameBuffer
from fanout.node.orders import Answer, Broken, Done, Garbled, Loaded, Ready, Start, Stopped
from fanout.step.results import Cause, Failure

FAILURES = st.builds(Failure, st.sampled_from(Cause), st.text(), st.text())
COUNTS = st.integers(0, 2**31 - 1)
SECONDS = st.floats(0, 1e9)
NAMES = st.lists(st.text("abc /.é", min_size=1).filter(lambda name: name[0] != "/" and ".." not in name))
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
)


def _answer(frame: bytes) -> Answer:
    [(header, payload)] = FrameBuffer().feed(frame)
    return orders.answer(header, payload)


@given(DONE)
def test_done_comes_back(done: Done) -> None:
    """Counts, times, rows, header, files and failure."""
    assert _answer(done.frame()) == done


@given(FAILURES, NAMES)
def test_the_other_answers_come_back(failure: Failure, files: list[str]) -> None:
    """Ready, broken, loaded and stopped, each with all it says."""
    assert _answer(orders.ready_frame(0.5)) == Ready(0.5)
    assert _answer(orders.broken_frame(failure)) == Broken(failure)
    assert _answer(orders.loaded_frame(3, 0.25)) == Loaded(3, 0.25)
    assert _answer(orders.stopped_frame(failure, files)) == Stopped(failure, tuple(files))
    assert _answer(orders.stopped_frame(None, files)) == Stopped(None, tuple(files))


def test_the_start_order_comes_back(start_order: Callable[..., Start]) -> None:
    """Everything a slot is told first."""
    start = start_order(arguments=["--a", "b c"], outputs={"plots": "/x"}, recipe="{}", profiling_module="cProfile")
    [(header, payload)] = FrameBuffer().feed(start.frame())
    assert (Start.from_header(header), payload) == (start, b"")


def test_a_task_carries_its_line_untouched() -> None:
    """The node does not read what only the slot needs."""
    [(header, payload)] = FrameBuffer().feed(orders.task_frame(2, b'{"index": 7}'))
    assert (header, payload) == ({"t": "task", "a": 2}, b'{"index": 7}')


NUMBERS = [1, 1, 0.0, 0.0, 1]


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"t": []},
        {"t": "sing"},
        {"t": "done"},
        {"t": "done", "n": [1, 2]},
        {"t": "done", "n": [-1, *NUMBERS[1:]]},
        {"t": "done", "n": [2**31, *NUMBERS[1:]]},
        {"t": "done", "n": ["1", *NUMBERS[1:]]},
        {"t": "done", "n": [*NUMBERS[:2], float("nan"), 0.0, 1]},
        {"t": "done", "n": [*NUMBERS[:2], 0.0, -1.0, 1]},
        {"t": "done", "n": NUMBERS, "h": 5},
        {"t": "done", "n": NUMBERS, "f": "plots/a"},
        {"t": "done", "n": NUMBERS, "f": ["/etc/passwd"]},
        {"t": "done", "n": NUMBERS, "f": ["plots/../../x"]},
        {"t": "done", "n": NUMBERS, "f": ["plots/\0"]},
        {"t": "done", "n": NUMBERS, "x": ["exception"]},
        {"t": "loaded", "n": None, "s": 0.0},
        {"t": "ready", "s": "soon"},
        {"t": "broken", "x": ["nope", "", ""]},
        {"t": "stopped", "x": None},
    ],
)
def test_other_words_are_garbled(header: dict[str, Any]) -> None:
    """An answer that is none of ours is told as that, not guessed at, whatever user code wrote into the channel."""
    assert isinstance(orders.answer(header, b""), Garbled)
