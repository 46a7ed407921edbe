"""Plain files as they are: a CSV to a result, as a user would begin, with the installed command."""

import gzip
import json
import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

PIPELINE = """\
type: pipeline
inputs:
  customers: {type: uri_file, path: ./customers.csv}
jobs:
  score:
    type: parallel
    inputs: {customers: "${{parent.inputs.customers}}"}
    input_data: ${{inputs.customers}}
    mini_batch_rows: 100
    outputs: {scores: {type: uri_file, path: ./scores.jsonl}}
    task:
      type: run_function
      code: ./src
      entry_script: score.py
      append_row_to: ${{outputs.scores}}
"""
SCORE = """\
def run(mini_batch):
    return mini_batch.to_dict("records")
"""
ROWS = [
    {"id": n, "zip": f"{n:05d}", "amount": n + 0.5 if n > 250 else float(n), "name": f"Kö, {n}"} for n in range(300)
]


@pytest.fixture
def project(empty_project: Any) -> Any:
    """A step that gives back the rows it gets."""
    empty_project.write("pipeline.yml", PIPELINE)
    empty_project.write("src/score.py", SCORE)
    lines = (f'{r["id"]},{r["zip"]},{r["amount"]:g},"{r["name"]}"\n' for r in ROWS)
    empty_project.write("customers.csv", "id,zip,amount,name\n" + "".join(lines))
    return empty_project


def rows_in(project: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (project.folder / "scores.jsonl").read_text().splitlines()]


def test_a_csv_comes_out_as_it_went_in(project: Any) -> None:
    """Zip codes with zeros, a fraction behind 250 whole numbers, umlauts, and a delimiter in quotes."""
    done = project.fanout("run", "pipeline.yml")
    assert "all 3 mini-batches succeeded" in done.said
    assert rows_in(project) == ROWS


def test_the_plan_says_how_it_is_read(project: Any) -> None:
    """Format, delimiter, encoding, header and types, in lines of at most 80 columns, and how to change them."""
    shown = project.fanout("plan", "pipeline.yml").stdout
    assert "read as CSV, comma between fields, UTF-8, names in the first row" in shown
    assert "columns  id int, zip text, amount float, name text" in shown
    assert "to change this set read: {delimiter, encoding, header, types} on the input" in shown


def test_a_misfit_stops_the_run_with_its_line(project: Any) -> None:
    """Before a node does anything; where null is asked for it is counted and said at the end."""
    path = project.folder / "customers.csv"
    path.write_text(path.read_text().replace("42,00042,42,", "42,00042,many,"))
    project.write("pipeline.yml", PIPELINE.replace("customers.csv}", "customers.csv, read: {types: {amount: float}}}"))
    done = project.fanout("run", "pipeline.yml")
    assert done.code != 0
    assert "customers.csv:44: column amount: 'many' is not a number" in done.said
    kept = "customers.csv, read: {types: {amount: float}, misfits: 'null'}}"
    project.write("pipeline.yml", PIPELINE.replace("customers.csv}", kept))
    done = project.fanout("run", "pipeline.yml")
    assert "1 value, many (customers.csv:44) became null, as read.misfits says" in done.said
    assert rows_in(project)[42]["amount"] is None or rows_in(project)[42]["amount"] != rows_in(project)[42]["amount"]


IN_S3: dict[str, tuple[str, Callable[[str], bytes] | None]] = {
    "customers.csv": ("uri_file", lambda text: text.encode()),
    "customers.csv.gz": ("uri_file", lambda text: gzip.compress(text.encode())),
    "customers.parquet": ("uri_file", lambda _: _parquet()),
    "2026/*/part-*.csv": ("uri_folder", None),
}


def _parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(ROWS), sink, row_group_size=70)
    return bytes(sink.getvalue().to_pybytes())


@pytest.mark.moto
def test_the_same_rows_from_s3(
    project: Any, moto_endpoint: str, aws_environ: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CSV file, a packed one, parquet, and a pattern over three files in folders; the run is on this machine."""
    for variable, value in aws_environ(moto_endpoint).items():
        monkeypatch.setenv(variable, value)
    s3 = boto3.client("s3", region_name="us-east-1")
    bucket = f"plain-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    text = (project.folder / "customers.csv").read_text()
    header, *lines = text.splitlines(keepends=True)
    for month in range(3):
        part = header + "".join(lines[month * 100 : month * 100 + 100])
        s3.put_object(Bucket=bucket, Key=f"in/2026/{month + 1:02d}/part-0.csv", Body=part.encode())
        s3.put_object(Bucket=bucket, Key=f"in/2026/{month + 1:02d}/other.csv", Body=b"no,part\n1,2\n")
    for name, (type_, packed) in IN_S3.items():
        if packed is not None:
            s3.put_object(Bucket=bucket, Key=f"in/{name}", Body=packed(text))
        given = f"{{type: {type_}, path: 's3://{bucket}/in/{name}'}}"
        project.write("pipeline.yml", PIPELINE.replace("{type: uri_file, path: ./customers.csv}", given))
        done = project.fanout("run", "pipeline.yml")
        assert "all 3 mini-batches succeeded" in done.said, name
        assert rows_in(project) == ROWS, name
