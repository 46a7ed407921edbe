"""Frames: what one side sends is what the other side gets, however it is cut on the way."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.slot import frames
from fanout.slot.frames import PREFIX, FrameBuffer

HEADERS = st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.booleans()), max_size=3)
FRAMES = st.lists(st.tuples(HEADERS, st.binary(max_size=50)), max_size=5)


@given(FRAMES, st.lists(st.integers(0, 500)))
def test_frames_arrive_whole_and_in_order(sent: list[tuple[dict[str, Any], bytes]], cuts: list[int]) -> None:
    """A stream may be cut anywhere, in the middle of a length too."""
    stream = b"".join(frames.encode(header, payload) for header, payload in sent)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    buffer = FrameBuffer()
    pieces = [stream[start:stop] for start, stop in itertools.pairwise(edges)]
    heard = [frame for piece in pieces for frame in buffer.feed(piece)]
    assert [(frames.header(head), payload) for head, payload in heard] == sent


def test_a_frame_is_a_length_of_each_part_and_the_parts() -> None:
    """The layout that the module states."""
    head = json.dumps({"t": "task", "a": 0}, separators=(",", ":")).encode()
    assert frames.encode({"t": "task", "a": 0}, b"line") == PREFIX.pack(len(head), 4) + head + b"line"
    assert PREFIX.size == 12


def test_what_is_not_complete_waits() -> None:
    """No frame before its last byte."""
    buffer, frame = FrameBuffer(), frames.encode({"a": 1}, b"xyz")
    assert buffer.is_between_frames
    assert list(buffer.feed(frame[:-1])) == []
    assert not buffer.is_between_frames
    assert list(buffer.feed(frame[-1:])) == [(b'{"a":1}', b"xyz")]
    assert buffer.is_between_frames


def test_a_receiver_may_stop_in_the_middle() -> None:
    """Frames that were handed out are gone, the others come with the next bytes."""
    buffer = FrameBuffer()
    incoming = buffer.feed(frames.encode({"n": 1}) + frames.encode({"n": 2}))
    assert next(incoming) == (b'{"n":1}', b"")
    incoming.close()  # type: ignore[attr-defined]
    assert list(buffer.feed(b"")) == [(b'{"n":2}', b"")]


def test_payloads_are_copies() -> None:
    """A payload stays what it was when more arrives."""
    buffer = FrameBuffer()
    [(_, first)] = buffer.feed(frames.encode({}, b"first"))
    list(buffer.feed(frames.encode({}, b"other")))
    assert first == b"first"


@pytest.mark.parametrize("junk", [PREFIX.pack(2**31, 0), PREFIX.pack(2, 2**40), b"hello, this is print()"])
def test_what_is_no_frame_is_an_error(junk: bytes) -> None:
    """Whatever user code may have written to the channel is not taken for an answer, nor waited for."""
    with pytest.raises(ValueError, match="a frame of"):
        list(FrameBuffer().feed(junk))


@pytest.mark.parametrize("head", [b"junk", b"[]", b"\xff\xff\xff\xff", b""])
def test_what_is_no_header_is_an_error(head: bytes) -> None:
    """A header is a JSON object."""
    with pytest.raises(ValueError, match=r"."):
        frames.header(head)
