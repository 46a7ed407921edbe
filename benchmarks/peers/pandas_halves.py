"""Two plain pandas processes: each reads its half of the table block by block, and writes its part of the output."""

import io
from collections.abc import Iterable, Iterator
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from benchmarks.peers.harness import WORKERS
from benchmarks.peers.table_harness import main
from benchmarks.script.score import score

BLOCK = 16 * 1024**2


def score_all(table: Path, folder: Path) -> Iterable[Path]:
    """One process for each half."""
    with Pool(WORKERS) as pool:
        return pool.map(partial(_half, table, folder), range(WORKERS), chunksize=1)


def _half(table: Path, folder: Path, number: int) -> Path:
    path = folder / f"{number}.csv"
    with path.open("w") as output:
        for frame in _row_groups(table, number) if table.suffix == ".parquet" else _blocks(table, number):
            score(frame).to_csv(output, header=False, index=False)
    return path


def _row_groups(table: Path, number: int) -> Iterator[pd.DataFrame]:
    file = pq.ParquetFile(table)
    count = file.num_row_groups
    for group in range(number * count // WORKERS, (number + 1) * count // WORKERS):
        yield file.read_row_group(group).to_pandas()


def _blocks(table: Path, number: int) -> Iterator[pd.DataFrame]:
    """Whole lines, about 16 MB at a time; a line belongs to the half in which it begins."""
    with table.open("rb") as file:
        names = list(pd.read_csv(io.BytesIO(file.readline())).columns)
        first, size = file.tell(), table.stat().st_size
        start, stop = (first + part * (size - first) // WORKERS for part in (number, number + 1))
        if number:
            file.seek(start - 1)
            file.readline()
        while (at := file.tell()) < stop:
            lines = file.read(min(BLOCK, stop - at))
            if not lines.endswith(b"\n"):
                lines += file.readline()
            yield pd.read_csv(io.BytesIO(lines), names=names)


if __name__ == "__main__":
    main(score_all)
