"""What a node holds, and what it knows about it."""

from collections.abc import Callable

from fanout.slot.lease import Lease, LeaseTable


def test_what_ran_out_or_was_lost_is_not_started(lease: Callable[..., Lease]) -> None:
    """Only what is certainly still this node's may be started."""
    found = lease(0, expires=10.0)
    assert found.startable(9.9)
    assert not found.startable(10.0)
    found.lost = True
    assert not found.startable(0.0)


def test_an_extension_is_noted(lease: Callable[..., Lease]) -> None:
    """Those that were extended run out later; the others are lost, and are told."""
    kept, gone = lease(0, expires=10.0), lease(1, expires=10.0)
    leases = LeaseTable()
    for one in (kept, gone):
        leases.take(one)
    assert leases.extended([kept, gone], [gone.delivery], expires=30.0) == [gone]
    assert (kept.expires, kept.lost) == (30.0, False)
    assert (gone.expires, gone.lost) == (10.0, True)


def test_settling_forgets(lease: Callable[..., Lease]) -> None:
    """What was settled is held no longer; forgetting it again is no error."""
    leases = LeaseTable()
    one, other = lease(0), lease(1)
    leases.take(one)
    leases.take(other)
    leases.forget([one])
    leases.forget([one])
    assert leases.all() == [other]
    assert len(leases) == 1
