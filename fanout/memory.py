"""What the C library does with memory that is given back, and how often Python looks for garbage."""

import ctypes
import gc
from contextlib import suppress
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
LARGE = 1024 * 1024
LARGEST_KEPT = 32 * 1024 * 1024  # what glibc allows
KEPT = 512 * 1024 * 1024


@cache
def return_large_buffers() -> None:
    """From here on buffers of a megabyte and more go back to the system as soon as they are freed.

    glibc keeps them for the thread that had them, and obstore has many threads: the memory of a process grew with the
    size of what it wrote, to several hundred megabytes. Other C libraries have no such call.
    """
    _set(M_MMAP_THRESHOLD, LARGE)


@cache
def keep_freed_memory() -> None:
    """From here on memory that is freed is kept for what comes next, up to half a gigabyte.

    A slot needs as much for each block of a table as for the one before. Given back in between, it came anew, page by
    page: a fifth of the time of a block of parquet.
    """
    _set(M_MMAP_THRESHOLD, LARGEST_KEPT)
    _set(M_TRIM_THRESHOLD, KEPT)


def collect_seldom() -> None:
    """From here on garbage in circles is looked for a hundred times less often, and not in what is there by now.

    A node makes some objects for each mini-batch, and holds thousands: looking through them all, again and again, was
    an eighth of its CPU time. They are in no circles, so they go without. Never in a slot: that is user code's own.
    """
    gc.freeze()
    gc.set_threshold(70_000, 10, 10)


def _set(parameter: int, value: int) -> None:
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(parameter, value)
