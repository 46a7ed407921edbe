"""Dask DataFrame on two worker processes: read_csv or read_parquet, map_partitions, to_csv."""

from collections.abc import Iterable
from pathlib import Path

import dask.dataframe as dd
from distributed import Client, LocalCluster

from benchmarks.peers.harness import WORKERS
from benchmarks.peers.table_harness import main
from benchmarks.script.score import score

BLOCK = 16 * 1024**2


def score_all(table: Path, folder: Path) -> Iterable[Path]:
    """A part for each partition."""
    with (
        LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        Client(cluster),
    ):
        if table.suffix == ".parquet":
            frame = dd.read_parquet(str(table), split_row_groups=True)
        else:
            frame = dd.read_csv(str(table), blocksize=BLOCK)
        scored = frame.map_partitions(score, meta={"id": "int64", "label": "int8"})
        scored.to_csv(f"{folder}/*.csv", header=False, index=False)
    return sorted(folder.iterdir(), key=lambda path: int(path.stem))


if __name__ == "__main__":
    main(score_all)
