"""multiprocessing.Pool: two processes, one mini-batch at a time."""

from collections.abc import Iterator
from functools import partial
from multiprocessing import Pool

from benchmarks.peers.harness import WORKERS, Batches, main
from benchmarks.script.work import work


def dispatch(batches: Batches, milliseconds: float) -> Iterator[tuple[int, list[str]]]:
    """In the order in which they are done."""
    with Pool(WORKERS) as pool:
        yield from pool.imap_unordered(partial(_numbered, milliseconds), enumerate(batches), chunksize=1)


def _numbered(milliseconds: float, numbered: tuple[int, list[str]]) -> tuple[int, list[str]]:
    index, batch = numbered
    return index, work(batch, milliseconds)


if __name__ == "__main__":
    main(dispatch)
