"""Orders and answers: what node and slot say to each other survives the way through a frame."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.node import orders
from fanout.node.frames import FrameBuffer
from fanout.node.orders import Answer, Broken, Done, Loaded, Ready, Start, Stopped
from fanout.step.results import Cause, Failure

FAILURES = st.builds(Failure, st.sampled_from(Cause), st.text(), st.text())
COUNTS = st.integers(0, 2**60)
SECONDS = st.floats(0, 1e9)
DONE = st.builds(
    Done,
    COUNTS,
    COUNTS,
    SECONDS,
    SECONDS,
    COUNTS,
    st.binary(),
    st.none() | st.text(),
    st.lists(st.text(min_size=1)).map(tuple),
    st.none() | FAILURES,
)


def _answer(frame: bytes) -> Answer:
    [(header, payload)] = FrameBuffer().feed(frame)
    return orders.answer(header, payload)


@given(DONE)
def test_done_comes_back(done: Done) -> None:
    """Counts, times, rows, header, files and failure."""
    assert _answer(done.frame()) == done


@given(FAILURES, st.lists(st.text()))
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


@pytest.mark.parametrize("header", [{"t": "sing"}, {"t": "done", "n": [1, 2]}, {"t": "broken", "x": ["nope", "", ""]}])
def test_other_words_are_refused(header: dict[str, Any]) -> None:
    """An answer that is none of ours is an error, not a guess."""
    with pytest.raises(ValueError, match=r"sing|unpack|nope"):
        orders.answer(header, b"")
