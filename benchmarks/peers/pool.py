"""multiprocessing.Pool: two processes, one mini-batch at a time."""

from collections.abc import Iterator
from functools import partial
from multiprocessing import Pool

from benchmarks.peers.harness import WORKERS, Batches, Call, main


def dispatch(batches: Batches, call: Call) -> Iterator[tuple[int, list[str]]]:
    """In the order in which they are done."""
    with Pool(WORKERS) as pool:
        yield from pool.imap_unordered(partial(_numbered, call), enumerate(batches), chunksize=1)


def _numbered(call: Call, numbered: tuple[int, list[str]]) -> tuple[int, list[str]]:
    index, batch = numbered
    return index, call(batch)


if __name__ == "__main__":
    main(dispatch)
