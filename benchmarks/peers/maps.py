"""A function of one item over many, as each library's own map does it: `python -m benchmarks.peers.maps HOW ITEMS`.

Prints one JSON line: `call`, the seconds from the call to the last result; `first`, those to the first result. A
library's cluster is there before the call. Results are checked.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers.harness import WORKERS


def same(number: int) -> int:
    """Nothing is done."""
    return number


Call = Callable[[], Iterable[int]]


def fanout_map(items: int) -> Iterator[Call]:
    """`fanout.map` as it comes: mini-batches of its own choice, two slots."""
    import fanout

    yield lambda: fanout.map(same, range(items), progress=False, max_concurrency_per_instance=WORKERS)


def fanout_imap(items: int) -> Iterator[Call]:
    """`fanout.imap`, in the order of the items."""
    yield lambda: _imap(items, ordered=True)


def fanout_unordered(items: int) -> Iterator[Call]:
    """`fanout.imap`, as results come."""
    yield lambda: _imap(items, ordered=False)


def _imap(items: int, *, ordered: bool) -> Iterator[int]:
    import fanout

    pairs = fanout.imap(same, range(items), ordered=ordered, progress=False, max_concurrency_per_instance=WORKERS)
    return (result for _, result in pairs)


def ray_pool(items: int) -> Iterator[Call]:
    """Ray's pool: `map` cuts the items into chunks."""
    from benchmarks.peers.ray_session import session

    with session():
        from ray.util.multiprocessing import Pool

        with Pool(WORKERS) as pool:
            yield lambda: pool.map(same, range(items))


def ray_data(items: int) -> Iterator[Call]:
    """Ray Data: `map` of rows."""
    from benchmarks.peers.ray_session import session

    with session():
        import ray

        yield lambda: (row["item"] for row in ray.data.range(items).map(_row).take_all())


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {"item": same(row["id"])}


def dask_bag(items: int) -> Iterator[Call]:
    """A bag, in partitions of its own choice."""
    import dask.bag

    with _cluster():
        yield lambda: dask.bag.from_sequence(range(items)).map(same).compute()


def dask_client(items: int) -> Iterator[Call]:
    """`Client.map`: a task for each item."""
    with _cluster() as client:
        yield lambda: client.gather(client.map(same, range(items)))


@contextmanager
def _cluster() -> Iterator[Any]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def lithops_map(items: int) -> Iterator[Call]:
    """One call for each item, by way of its storage folder."""
    import lithops

    here = {"runtime": sys.executable, "worker_processes": WORKERS, "storage_bucket": str(Path.cwd() / "lithops")}
    config = {
        "lithops": {"backend": "localhost", "storage": "localhost", "telemetry": False, "log_level": "ERROR"},
        "localhost": here,
    }
    with lithops.FunctionExecutor(config=config) as executor:
        yield lambda: executor.get_result(executor.map(same, range(items)))


WAYS: dict[str, Callable[[int], Iterator[Call]]] = {
    way.__name__: way
    for way in (fanout_map, fanout_imap, fanout_unordered, ray_pool, ray_data, dask_bag, dask_client, lithops_map)
}


UNORDERED = ("fanout_unordered", "ray_data")


def main(how: str, items: int) -> None:
    """Takes all results in, one by one."""
    for call in WAYS[how](items):  # once; then what it began is ended
        begun = time.perf_counter()
        total, count, in_order, first = 0, 0, True, 0.0
        for result in call():
            first = first or time.perf_counter()
            in_order = in_order and result == count
            total, count = total + result, count + 1
        print(json.dumps({"call": time.perf_counter() - begun, "first": first - begun}))
    if (count, total) != (items, items * (items - 1) // 2) or not (in_order or how in UNORDERED):
        raise SystemExit(f"{how}: {count} results of {items} items, or wrong ones")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
