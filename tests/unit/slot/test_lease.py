"""What a node holds, and what it knows about it."""

from collections.abc import Callable

from fanout.slot.lease import Held, Holdings


def test_what_ran_out_or_was_lost_is_not_started(held: Callable[..., Held]) -> None:
    """Only what is certainly still this node's may be started."""
    found = held(0, expires=10.0)
    assert found.startable(9.9)
    assert not found.startable(10.0)
    found.lost = True
    assert not found.startable(0.0)


def test_an_extension_is_noted(held: Callable[..., Held]) -> None:
    """Those that were extended run out later; the others are lost, and are told."""
    kept, gone = held(0, expires=10.0), held(1, expires=10.0)
    holdings = Holdings()
    for one in (kept, gone):
        holdings.take(one)
    assert holdings.extended([kept, gone], [gone.delivery], expires=30.0) == [gone]
    assert (kept.expires, kept.lost) == (30.0, False)
    assert (gone.expires, gone.lost) == (10.0, True)


def test_settling_forgets(held: Callable[..., Held]) -> None:
    """What was settled is held no longer; forgetting it again is no error."""
    holdings = Holdings()
    one, other = held(0), held(1)
    holdings.take(one)
    holdings.take(other)
    holdings.forget([one])
    holdings.forget([one])
    assert holdings.all() == [other]
    assert len(holdings) == 1
