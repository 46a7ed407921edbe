"""Ray tasks: one a mini-batch, all submitted at once."""

from collections.abc import Iterator

import ray

from benchmarks.peers.harness import Batches, Call, main
from benchmarks.peers.ray_session import session


def dispatch(batches: Batches, call: Call) -> Iterator[tuple[int, list[str]]]:
    """All at once, when all are done."""
    with session():
        task = ray.remote(num_cpus=1)(_work)
        yield from enumerate(ray.get([task.remote(call, batch) for batch in batches]))


def _work(call: Call, batch: list[str]) -> list[str]:
    return call(batch)


if __name__ == "__main__":
    main(dispatch)
