"""What every contender does with one mini-batch; the standard library only."""

import time
from collections.abc import Sequence

SPAN = "\t"
"""Stands between an item and the times of its call, in the first row of each mini-batch."""


def work(items: Sequence[str], milliseconds: float = 0.0, *, reads: bool = False, sleeps: bool = False) -> list[str]:
    """The items, after `milliseconds` of CPU time, or of sleep; the first row also says when the call began and ended.

    With `reads` each item is a file that is read to its end; one that is empty ends the benchmark.
    """
    started = time.time()
    if milliseconds:
        (time.sleep if sleeps else _burn)(milliseconds / 1000)
    if reads and not all(map(_read, items)):
        raise ValueError("a file of the input is empty")
    return [f"{items[0]}{SPAN}{started:.6f}{SPAN}{time.time():.6f}", *items[1:]]


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - all contenders pay for this line
        return file.read()


def _burn(seconds: float) -> None:
    # CPU time rather than wall clock: a slot that has to share its core takes longer, as with real work.
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
