"""Mini-batch indexes as people write them: `3, 7-9`. Pure."""

from collections.abc import Iterable, Iterator
from itertools import islice

from fanout.errors import RunError

MOST = 12
"""Ranges that are shown; the rest is counted."""
LARGEST = 2**27


def ranges(indexes: Iterable[int]) -> str:
    """Ascending indexes in short: `3, 7-9`, and how many more when that gets long."""
    found = spans(indexes)
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in islice(found, MOST)]
    more = sum(last - first + 1 for first, last in found)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def parse(texts: Iterable[str]) -> tuple[int, ...]:
    """The indexes in texts such as `3` or `7-9`, ascending; RunError says which text is none of these."""
    found: set[int] = set()
    for text in texts:
        first, dash, last = text.partition("-")
        if not _is_index(first) or (dash and not _is_index(last)) or (dash and int(last) < int(first)):
            raise RunError(f"{text!r} is not the number of a mini-batch (3) nor a range of them (7-9)")
        found.update(range(int(first), int(last if dash else first) + 1))
    return tuple(sorted(found))


def spans(indexes: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Ascending indexes as the first and last of each piece without gaps."""
    first = last = -1
    for index in indexes:
        if first >= 0 and index == last + 1:
            last = index
            continue
        if first >= 0:
            yield first, last
        first = last = index
    if first >= 0:
        yield first, last


def _is_index(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10 and int(text) < LARGEST
