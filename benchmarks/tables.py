"""Tabular scoring: a table of 1 GB, delimited and as parquet, one row of output for each of its rows."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from benchmarks.contenders import SCRIPT, SLOTS, timed
from benchmarks.environments import ROOT, python_of, version_of
from benchmarks.report import Measured
from benchmarks.sample import WrongOutputError
from benchmarks.turns import Terms, in_turn, scratch_folder, series

BYTES = 1024**3
BLOCK_ROWS = 200_000
FEATURES = 10
REPETITIONS = 2
PEERS = {
    "pandas, two processes": ("pandas_halves", "pandas"),
    f"Ray Data {version_of('ray')}": ("ray_data", "ray"),
    f"Dask DataFrame {version_of('dask')}": ("dask_table", "dask"),
}
READERS = {"csv": "read_delimited: {delimiter: ',', header: all_files_same_headers}", "parquet": "read_parquet"}


@dataclass(frozen=True, slots=True)
class Table:
    """A table file, and what every right answer to it adds up to."""

    path: Path
    rows: int
    ids: int

    @property
    def kind(self) -> str:
        return self.path.suffix[1:]


def tabular(terms: Terms) -> Iterator[Measured]:
    """fanout beside two plain pandas processes that share the table, Ray Data and Dask."""
    terms.fanout.prepare()
    peers = {name: peer for name, peer in PEERS.items() if peer[1] in {"pandas", *terms.libraries}}
    for _, library in peers.values():
        python_of(library)
    with scratch_folder() as scratch:
        for make in (_delimited, _parquet):
            table = make(scratch, terms.scaled(BYTES, 1024**2))
            turns = {"fanout": _fanout(terms, table)} | {name: _peer(*peer, table) for name, peer in peers.items()}
            repetitions = min(terms.repetitions, REPETITIONS)
            found = in_turn(turns, repetitions, f"tabular, {table.kind}", scratch)
            size = table.path.stat().st_size
            shutil.rmtree(table.path.parent)
            yield Measured(
                f"tabular: {table.rows:,} rows of {FEATURES + 2} columns in one {table.kind} file of "
                f"{size / 1e6:,.0f} MB, the whole process",
                "s",
                2,
                series(found, float),
            )


def _block() -> pa.Table:
    """Rows that the whole table repeats: an id, numbers with three decimals, and a word."""
    draw = np.random.default_rng(1)
    columns = {f"f{k}": np.round(draw.normal(size=BLOCK_ROWS), 3) for k in range(FEATURES)}
    words = np.array(["red", "green", "blue"])[draw.integers(0, 3, BLOCK_ROWS)]
    return pa.table({"id": np.arange(BLOCK_ROWS), "colour": words, **columns})


def _delimited(scratch: Path, size: int) -> Table:
    path = _folder(scratch, "csv") / "table.csv"
    block, sink = _block(), pa.BufferOutputStream()
    pa.csv.write_csv(block, sink, pa.csv.WriteOptions(quoting_style="none"))
    header, _, lines = sink.getvalue().to_pybytes().partition(b"\n")
    times = max(1, round(size / len(lines)))
    with path.open("wb") as file:
        file.write(header + b"\n")
        for _ in range(times):
            file.write(lines)
    return _table(path, times)


def _parquet(scratch: Path, size: int) -> Table:
    """As many rows as the delimited table has, a row group for each 200,000."""
    path = _folder(scratch, "parquet") / "table.parquet"
    block, sink = _block(), pa.BufferOutputStream()
    pa.csv.write_csv(block, sink, pa.csv.WriteOptions(quoting_style="none"))
    times = max(1, round(size / sink.tell()))
    with pa.parquet.ParquetWriter(path, block.schema) as writer:
        for _ in range(times):
            writer.write_table(block, row_group_size=BLOCK_ROWS)
    return _table(path, times)


def _folder(scratch: Path, kind: str) -> Path:
    folder = scratch / kind
    folder.mkdir()
    (folder / "MLTable").write_text(f"paths: [{{file: ./table.{kind}}}]\ntransformations: [{READERS[kind]}]\n")
    return folder


def _table(path: Path, times: int) -> Table:
    return Table(path, times * BLOCK_ROWS, times * sum(range(BLOCK_ROWS)))


def _fanout(terms: Terms, table: Table) -> Callable[[Path], float]:
    def turn(place: Path) -> float:
        (place / "fanout.toml").write_text('store = "./store"\n')
        (place / "pipeline.yml").write_text(_pipeline(table))
        span, _ = timed([terms.fanout.command, "run", "pipeline.yml"], place, {})
        _check(place / "scores.csv", table, "fanout")
        return span.seconds

    return turn


def _pipeline(table: Table) -> str:
    return f"""\
type: pipeline
outputs:
  scores: {{type: uri_file, path: ./scores.csv}}
jobs:
  score:
    type: parallel
    compute: local
    inputs:
      table: {{type: mltable, path: {table.path.parent}, mode: direct}}
    outputs:
      scores: ${{{{parent.outputs.scores}}}}
    input_data: ${{{{inputs.table}}}}
    mini_batch_size: 16mb
    max_concurrency_per_instance: {SLOTS}
    mini_batch_error_threshold: 0
    task:
      type: run_function
      code: {SCRIPT}
      entry_script: score_entry.py
      append_row_to: ${{{{outputs.scores}}}}
      environment: azureml:none:1
"""


def _peer(module: str, library: str, table: Table) -> Callable[[Path], float]:
    def turn(place: Path) -> float:
        output = place / "scores.csv"
        command = [python_of(library), "-m", f"benchmarks.peers.{module}", str(table.path), "--output", str(output)]
        span, _ = timed(command, place, {"PYTHONPATH": str(ROOT)})
        _check(output, table, module)
        return span.seconds

    return turn


def _check(output: Path, table: Table, who: str) -> None:
    """Every row has its score, once: a wrong answer ends the benchmark."""
    scores = pa.csv.read_csv(output)
    found = scores.num_rows, scores.column_names, scores["id"].to_numpy().sum()
    if found != (table.rows, ["id", "label"], table.ids):
        raise SystemExit(f"benchmarks: {who}: {WrongOutputError(json.dumps(str(found)))}, expected {table}")
