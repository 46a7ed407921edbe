"""Dask distributed: two worker processes with a thread each, Client.map and gather."""

from collections.abc import Iterator

from distributed import Client, LocalCluster

from benchmarks.peers.harness import WORKERS, Batches, Call, main


def dispatch(batches: Batches, call: Call) -> Iterator[tuple[int, list[str]]]:
    """All at once, when all are done."""
    with (
        LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        futures = client.map(call, batches, pure=False)
        yield from enumerate(client.gather(futures))


if __name__ == "__main__":
    main(dispatch)
