"""Ray tasks: one a mini-batch, all submitted at once."""

from collections.abc import Iterator

import ray

from benchmarks.peers.harness import Batches, main
from benchmarks.peers.ray_session import session
from benchmarks.script.work import work


def dispatch(batches: Batches, milliseconds: float) -> Iterator[tuple[int, list[str]]]:
    """All at once, when all are done."""
    with session():
        task = ray.remote(num_cpus=1)(work)
        yield from enumerate(ray.get([task.remote(batch, milliseconds) for batch in batches]))


if __name__ == "__main__":
    main(dispatch)
