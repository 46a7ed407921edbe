"""Two processes with half of the mini-batches each and nothing between them: what the machine can give just now."""

from collections.abc import Iterator
from functools import partial
from multiprocessing import Pool

from benchmarks.peers.harness import WORKERS, Batches, Call, main

Numbered = tuple[int, list[str]]


def dispatch(batches: Batches, call: Call) -> Iterator[Numbered]:
    """Half after half."""
    numbered = list(enumerate(batches))
    halves = [numbered[worker::WORKERS] for worker in range(WORKERS)]
    with Pool(WORKERS) as pool:
        for answers in pool.map(partial(_loop, call), halves, chunksize=1):
            yield from answers


def _loop(call: Call, half: list[Numbered]) -> list[Numbered]:
    return [(index, call(batch)) for index, batch in half]


if __name__ == "__main__":
    main(dispatch)
