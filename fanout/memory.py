"""What the C library does with memory that is given back."""

import ctypes
from contextlib import suppress
from functools import cache

M_MMAP_THRESHOLD = -3  # malloc.h of glibc
LARGE = 1024 * 1024


@cache
def return_large_buffers() -> None:
    """From here on buffers of a megabyte and more go back to the system as soon as they are freed.

    glibc keeps them for the thread that had them, and obstore has many threads: the memory of a process grew with the
    size of what it wrote, to several hundred megabytes. Other C libraries have no such call.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE)
