"""joblib on loky as it comes: it puts several quick mini-batches into one task (batch_size="auto")."""

from collections.abc import Iterator

from benchmarks.peers import loky
from benchmarks.peers.harness import Batches, Call, main


def dispatch(batches: Batches, call: Call) -> Iterator[tuple[int, list[str]]]:
    """As joblib with tasks of its own choice."""
    return loky.dispatch(batches, call, batch_size="auto")


if __name__ == "__main__":
    main(dispatch)
