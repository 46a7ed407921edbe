"""joblib on loky: two processes, one mini-batch a task."""

from collections.abc import Iterator
from typing import Literal

from joblib import Parallel, delayed

from benchmarks.peers.harness import WORKERS, Batches, Call, main


def dispatch(batches: Batches, call: Call, batch_size: int | Literal["auto"] = 1) -> Iterator[tuple[int, list[str]]]:
    """All at once, when all are done: joblib's default, and its quickest way."""
    parallel = Parallel(n_jobs=WORKERS, batch_size=batch_size)
    yield from enumerate(parallel(delayed(call)(batch) for batch in batches))


if __name__ == "__main__":
    main(dispatch)
