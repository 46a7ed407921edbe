"""Ray Data: read_csv or read_parquet, map_batches on DataFrames, write_csv."""

from collections.abc import Iterable
from pathlib import Path

from benchmarks.peers.ray_session import session  # before ray: it sets what ray reads while it is imported
from benchmarks.peers.table_harness import main
from benchmarks.script.score import score

import ray  # isort: skip


def score_all(table: Path, folder: Path) -> Iterable[Path]:
    """The parts that write_csv leaves, in whatever order they were done."""
    with session():
        read = ray.data.read_parquet if table.suffix == ".parquet" else ray.data.read_csv
        scored = read(str(table)).map_batches(score, batch_format="pandas", batch_size=None)
        scored.write_csv(str(folder), arrow_csv_args_fn=_without_header)
    return sorted(folder.iterdir())


def _without_header() -> dict[str, object]:
    from pyarrow.csv import WriteOptions

    return {"write_options": WriteOptions(include_header=False)}


if __name__ == "__main__":
    main(score_all)
