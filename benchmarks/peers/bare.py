"""Two processes with half of the mini-batches each and nothing between them: what the machine can give just now."""

from collections.abc import Iterator
from functools import partial
from multiprocessing import Pool

from benchmarks.peers.harness import WORKERS, Batches, main
from benchmarks.script.work import work

Numbered = tuple[int, list[str]]


def dispatch(batches: Batches, milliseconds: float) -> Iterator[Numbered]:
    """Half after half."""
    numbered = list(enumerate(batches))
    halves = [numbered[worker::WORKERS] for worker in range(WORKERS)]
    with Pool(WORKERS) as pool:
        for answers in pool.map(partial(_loop, milliseconds), halves, chunksize=1):
            yield from answers


def _loop(milliseconds: float, half: list[Numbered]) -> list[Numbered]:
    return [(index, work(batch, milliseconds)) for index, batch in half]


if __name__ == "__main__":
    main(dispatch)
