"""Mini-batches around known ones: which stay, what is new, and that the order is that of the items."""

import string

from hypothesis import given
from hypothesis import strategies as st

from fanout.planning.known_items import Item, KnownBatches, split_around
from fanout.records.mini_batch import MiniBatch


def _items(names: str) -> list[Item]:
    return [Item(name, f"v{name}") for name in names]


def _known(*batches: str) -> KnownBatches:
    found = KnownBatches()
    for index, names in enumerate(batches):
        found.add(index, tuple(item.version for item in _items(names)))
    return found


def _split(names: str, known: KnownBatches, size: int = 3) -> list[tuple[str, int | None]]:
    batches = list(split_around(_items(names), size, known))
    assert [batch.index for batch in batches] == list(range(len(batches)))
    assert all(len(batch.files) == len(batch.versions) == batch.items for batch in batches)
    return [("".join(batch.files), batch.known) for batch in batches]


def test_without_anything_known_it_is_cut_by_count() -> None:
    """As a plain plan is."""
    assert _split("abcdefgh", KnownBatches()) == [("abc", None), ("def", None), ("gh", None)]


def test_one_more_at_the_end_is_one_mini_batch() -> None:
    """The last known one may have been short: it stays as it was."""
    assert _split("abcdefgh", _known("abc", "def", "g")) == [("abc", 0), ("def", 1), ("g", 2), ("h", None)]


def test_one_more_between_two_is_one_mini_batch() -> None:
    """In its place in the order."""
    assert _split("abcxdef", _known("abc", "def")) == [("abc", 0), ("x", None), ("def", 1)]


def test_a_mini_batch_that_is_not_whole_any_more_is_run() -> None:
    """With an item that was removed, changed or put between; the others stay."""
    assert _split("acdef", _known("abc", "def")) == [("ac", None), ("def", 1)]
    assert _split("axbcdef", _known("abc", "def")) == [("axb", None), ("c", None), ("def", 1)]


def test_what_is_not_noted_is_never_known() -> None:
    """A mini-batch of no items is none that could be found again."""
    known = _known("abc")
    known.add(7, ())
    assert _split("abc", known) == [("abc", 0)]


@given(st.text(string.ascii_lowercase, max_size=20), st.text(string.ascii_lowercase, max_size=20), st.integers(1, 5))
def test_every_item_is_there_once_and_in_order(before: str, now: str, size: int) -> None:
    """Whatever was known; what is known is what it was, and what is new is no larger than asked for."""
    before, now = "".join(dict.fromkeys(before)), "".join(dict.fromkeys(now))
    former = [before[i : i + size] for i in range(0, len(before), size)]
    found = _split(now, _known(*former), size)
    assert "".join(names for names, _ in found) == now
    for names, known in found:
        assert len(names) <= size
        assert known is None or former[known] == names
    unchanged = [names for names in former if names in now]
    assert sorted(names for names, known in found if known is not None) == sorted(unchanged)


def test_fields_that_are_not_sent() -> None:
    """Versions and what is known are of the plan alone: two mini-batches with other ones have the same line."""
    from fanout.records.mini_batch import encode

    plain = MiniBatch(0, files=("a",), items=1)
    assert encode(MiniBatch(0, files=("a",), items=1, versions=("v",), known=3)) == encode(plain)
