"""What has become of the messages of a pack: each change of a version, and what is written of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.errors import DamagedRecordError
from fanout.queues.bucket.state import Claim, PackState, decode, decode_bodies, encode, encode_bodies

NEVER, ALWAYS = (lambda _: False), (lambda _: True)
COUNT = 6
MESSAGES = st.sets(st.integers(0, COUNT - 1))
CHANGES = st.lists(
    st.tuples(st.sampled_from(["claim", "extend", "release", "delete", "next"]), st.sampled_from("abc"), MESSAGES)
)


def _after(changes: list[tuple[str, str, set[int]]]) -> PackState:
    state = PackState.new(COUNT)
    for what, token, messages in changes:
        match what:
            case "claim" if picked := [message for message in state.free(NEVER) if message in messages]:
                state = state.claimed(token, picked, 30.0)
            case "extend" | "release":
                state, _ = state.extended(token, messages, 30.0 if what == "extend" else 0.0)
            case "delete":
                state = state.deleted(token, messages)
            case "next":
                state = state.next()
    return state


@given(CHANGES)
def test_a_message_is_done_or_held_once_or_free(changes: list[tuple[str, str, set[int]]]) -> None:
    """No order of calls makes two receivers hold a message, or loses one."""
    state = _after(changes)
    held = [message for messages in state.claims.values() for message in messages]
    assert len(held) == len(set(held))
    assert sorted([*held, *state.done, *state.free(NEVER)]) == list(range(COUNT))
    assert state.free(ALWAYS) == sorted(set(range(COUNT)) - state.done)


@given(CHANGES)
def test_what_is_written_is_read(changes: list[tuple[str, str, set[int]]]) -> None:
    """A version is the same in the process that reads it; of what is done the receives are forgotten."""
    state = _after(changes)
    read = decode(encode(state, "me"), state.version, COUNT, "key")
    assert (read.done, dict(read.claims)) == (state.done, dict(state.claims))
    assert [n for m, n in enumerate(read.receives) if m not in read.done] == [
        n for m, n in enumerate(state.receives) if m not in state.done
    ]


def test_a_renewed_claim_is_of_the_next_version() -> None:
    """The beat of a claim is the version that it was written in: observers count from there."""
    state = PackState.new(COUNT).claimed("a", [0, 1], 30).next()
    assert list(state.claims) == [Claim("a", 1, 30)]
    renewed, kept = state.next().extended("a", [1, 5], 10)
    assert kept == {1}
    assert set(renewed.claims) == {Claim("a", 1, 30), Claim("a", 3, 10)}


def test_who_lost_a_message_changes_nothing() -> None:
    """A receipt that another receive has followed neither holds nor deletes."""
    state = PackState.new(COUNT).claimed("a", [0], 30).next().claimed("b", [0], 30).next()
    assert state.receives[0] == 2
    assert state.deleted("a", [0]) is state
    assert state.extended("a", [0], 30) == (state, frozenset())


def test_a_delay_hides_without_a_receive() -> None:
    """What is delayed is hidden, and was received by none."""
    state = PackState.new(2, delay=5)
    assert state.free(NEVER) == []
    assert state.free(ALWAYS) == [0, 1]
    assert not state.others("me", NEVER)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"v":2}',
        b'{"v":1,"done":[[0,9]],"received":[],"claims":[]}',
        b'{"v":1,"done":[[1,0]],"received":[],"claims":[]}',
        b'{"v":1,"done":[],"received":[["x",[[0,1]]]],"claims":[]}',
        b'{"v":1,"done":[],"received":[],"claims":[["a",-1,30,[[0,1]]]]}',
    ],
)
def test_damaged_versions_are_refused(body: bytes) -> None:
    """With the key of the object."""
    with pytest.raises(DamagedRecordError, match="the/key: not the state of messages"):
        decode(body, 1, COUNT, "the/key")


def test_damaged_messages_are_refused() -> None:
    """Bodies are as many texts as the name of the pack says."""
    assert decode_bodies(encode_bodies(["a", "𝄞"]), 2, "k") == ["a", "𝄞"]
    for body in (b"", encode_bodies(["a"]), b'{"v":1,"bodies":[1,2]}', b'{"v":1,"bodies":7}'):
        with pytest.raises(DamagedRecordError, match="k: not the messages"):
            decode_bodies(body, 2, "k")
