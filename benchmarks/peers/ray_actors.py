"""Ray actors: two, each with a bounded number of calls on their way."""

from collections import deque
from collections.abc import Iterator

import ray

from benchmarks.peers.harness import WORKERS, Batches, Call, main
from benchmarks.peers.ray_session import session

IN_FLIGHT = 100
"""Calls on their way to all actors: enough to keep them busy whatever the caller does meanwhile."""


class Worker:
    """One slot."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def work(self, batch: list[str]) -> list[str]:
        """The rows of one mini-batch."""
        return self._call(batch)


def dispatch(batches: Batches, call: Call) -> Iterator[tuple[int, list[str]]]:
    """In the order of their indexes."""
    with session():
        actor = ray.remote(num_cpus=1)(Worker)
        workers = [actor.remote(call) for _ in range(WORKERS)]
        calls: deque[tuple[int, ray.ObjectRef]] = deque()
        for index, batch in enumerate(batches):
            calls.append((index, workers[index % WORKERS].work.remote(batch)))
            if len(calls) == IN_FLIGHT:
                yield _oldest(calls)
        while calls:
            yield _oldest(calls)


def _oldest(calls: "deque[tuple[int, ray.ObjectRef]]") -> tuple[int, list[str]]:
    index, call = calls.popleft()
    return index, ray.get(call)


if __name__ == "__main__":
    main(dispatch)
