"""Lithops on this machine: two worker processes, one call a mini-batch, results by way of its storage folder."""

import sys
from collections.abc import Iterator
from pathlib import Path

import lithops

from benchmarks.peers.harness import WORKERS, Batches, Call, main


def dispatch(batches: Batches, call: Call) -> Iterator[tuple[int, list[str]]]:
    """All at once, when all are done."""
    here = {"runtime": sys.executable, "worker_processes": WORKERS, "storage_bucket": str(Path.cwd() / "lithops")}
    config = {
        "lithops": {"backend": "localhost", "storage": "localhost", "telemetry": False, "log_level": "ERROR"},
        "localhost": here,
    }
    with lithops.FunctionExecutor(config=config) as executor:
        executor.map(_work, [(call, batch) for batch in batches])
        yield from enumerate(executor.get_result())


def _work(call: Call, batch: list[str]) -> list[str]:
    return call(batch)


if __name__ == "__main__":
    main(dispatch)
