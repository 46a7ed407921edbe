"""When a file counts as whole."""

from fanout.triggers.sources.debounce import QUIET, Debounce


def test_a_file_that_rests_is_told_once() -> None:
    """Each version once, when nothing has changed for a while."""
    settling = Debounce()
    assert not settling.look("a", "v1", 0)
    assert not settling.look("a", "v1", QUIET / 2)
    assert settling.waiting == ["a"]
    assert settling.look("a", "v1", QUIET)
    assert not settling.look("a", "v1", 10)
    assert settling.waiting == []


def test_a_file_that_is_written_waits() -> None:
    """Every change begins the wait anew."""
    settling = Debounce()
    for step in range(10):
        assert not settling.look("a", f"v{step}", step * QUIET * 0.9)
    assert settling.look("a", "v9", 20)
    assert not settling.look("a", "v10", 21)
    assert settling.look("a", "v10", 22)


def test_a_file_that_is_removed_and_comes_back() -> None:
    """It is told again, which the claims in the store tell apart."""
    settling = Debounce()
    settling.look("a", "v1", 0)
    assert not settling.look("a", None, 1)
    assert settling.waiting == []
    assert not settling.look("a", "v1", 2)
    assert settling.look("a", "v1", 3)


def test_what_could_not_be_told_is_told_later() -> None:
    """At the next look."""
    settling = Debounce()
    settling.look("a", "v1", 0)
    assert settling.look("a", "v1", 1)
    settling.forget("a")
    assert settling.waiting == ["a"]
    assert settling.look("a", "v1", 1)
