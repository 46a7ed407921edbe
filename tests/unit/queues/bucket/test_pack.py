"""Since when a process knows what: a claim runs out on the clock of the process that looks."""

from fanout.queues.bucket.pack import Pack, pack_name
from fanout.queues.bucket.state import Claim, PackState


def _pack() -> Pack:
    pack = Pack.named(pack_name(1_700_000_000.0, 4, 1.5), known_at=0.0)
    assert pack is not None
    assert (pack.count, pack.delay) == (4, 1.5)
    return pack


def test_a_name_tells_what_a_listing_has_to_know() -> None:
    """How many messages there are, and their delay; other names are no packs."""
    _pack()
    for name in ("", "x", "1700000000000-aabbccdd-0-0", "1700000000000-aabbccdd-4-0/.."):
        assert Pack.named(name, 0.0) is None


def test_a_claim_runs_out_when_it_was_known_for_its_seconds() -> None:
    """It counts from the first version that this process has seen with it, and from each that renewed it."""
    pack = _pack()
    pack.seen(3, asked=9.0, answered=10.0)
    assert not pack.is_over(Claim("a", 2, 30.0), 39.9)
    assert pack.is_over(Claim("a", 2, 30.0), 40.0)
    pack.seen(7, asked=34.0, answered=35.0)
    assert pack.is_over(Claim("a", 3, 30.0), 40.0), "another claim was renewed"
    assert not pack.is_over(Claim("a", 5, 30.0), 64.9)
    assert pack.is_over(Claim("a", 5, 30.0), 65.0)


def test_what_is_not_known_yet_has_not_run_out() -> None:
    """A beat of a version that this process has not seen."""
    pack = _pack()
    pack.seen(3, asked=0.0, answered=0.0)
    assert not pack.is_over(Claim("a", 4, 0.0), 1e9)


def test_what_no_claim_depends_on_is_forgotten() -> None:
    """Memory does not grow with the number of versions."""
    pack = _pack()
    for version in range(1000):
        pack.seen(version, float(version), float(version))
        pack.read(PackState(version, (0,) * 4, frozenset(), {Claim("a", max(0, version - 2), 30.0): frozenset({1})}))
    assert len(pack._versions) == len(pack._since) == 3
    assert pack.is_over(Claim("a", 997, 30.0), 1027.0)


def test_an_older_listing_changes_nothing() -> None:
    """What this process has written since is newer."""
    pack = _pack()
    pack.seen(5, asked=5.0, answered=6.0)
    pack.seen(4, asked=9.0, answered=10.0)
    assert (pack.version, pack.known_at) == (5, 5.0)
