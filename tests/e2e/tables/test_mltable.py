"""Scripts that import mltable: with the stand-in, with the package, and over tables that lie in a datastore."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

PIPELINE = """\
type: pipeline
inputs:
  rows: {type: mltable, path: ./rows, mode: direct}
outputs:
  scores: {type: uri_file, path: ./scores.jsonl}
jobs:
  prices:
    type: command
    command: python make.py ${{outputs.prices}}
    code: ./make
    outputs:
      prices: {type: mltable, path: azureml://datastores/blobs/paths/prices}
  score:
    type: parallel
    mini_batch_rows: 3
    max_concurrency_per_instance: 2
    inputs:
      rows: ${{parent.inputs.rows}}
      prices: ${{parent.jobs.prices.outputs.prices}}
    outputs:
      scores: ${{parent.outputs.scores}}
    input_data: ${{inputs.rows}}
    task:
      type: run_function
      code: ./src
      entry_script: score.py
      program_arguments: --prices ${{inputs.prices}}
      append_row_to: ${{outputs.scores}}
"""
MAKE = """\
import sys
from pathlib import Path
import mltable

folder = Path(sys.argv[1])
(folder / "a.csv").write_text("sku,price\\n001,2.5\\n002,4.0\\n003,-1\\n")
table = mltable.from_delimited_files([{"file": str(folder / "a.csv")}])
table.convert_column_types({"sku": mltable.DataType.to_string()}).filter("price > 0").save(str(folder))
"""
SCORE = """\
import argparse
import mltable
from mltable import load

def init():
    global prices
    parser = argparse.ArgumentParser()
    parser.add_argument("--prices")
    here, named = load(parser.parse_args().prices), load("azureml://datastores/blobs/paths/prices")
    prices = named.to_pandas_dataframe().set_index("sku")["price"].to_dict()
    assert here.to_pandas_dataframe().equals(named.to_pandas_dataframe())

def run(mini_batch):
    return [{"n": row.n, "worth": row.n * prices.get(row.sku, 0)} for row in mini_batch.itertuples()]
"""
ROWS = "n,sku\n" + "".join(f"{n},00{n % 3 + 1}\n" for n in range(8))
WORTHS = [n * price for n, price in zip(range(8), [2.5, 4.0, 0] * 3, strict=False)]
EXPECTED = "".join(json.dumps({"n": n, "worth": worth}) + "\n" for n, worth in enumerate(WORTHS)).encode()


@pytest.fixture
def tables(empty_project: Any) -> Any:
    """A step that makes an MLTable, and one that scores rows with it; the datastore is a folder."""
    empty_project.write("pipeline.yml", PIPELINE)
    empty_project.write("make/make.py", MAKE)
    empty_project.write("src/score.py", SCORE)
    empty_project.write("rows/a.csv", ROWS)
    empty_project.write(
        "rows/MLTable",
        "paths: [{file: a.csv}]\ntransformations:\n- read_delimited\n"
        "- convert_column_types: [{columns: sku, column_type: string}]\n",
    )
    empty_project.write("fanout.toml", '[datastores]\nblobs = "blobs"\n')
    return empty_project


def test_scripts_of_both_kinds_use_mltable(tables: Any) -> None:
    """A command saves a table into a datastore; an entry script loads it by its path and by the datastore's name."""
    ended = tables.fanout("run", "pipeline.yml")
    assert ended.code == 0, ended.said
    assert tables.output("scores.jsonl") == EXPECTED
    saved = (tables.folder / "blobs/prices/MLTable").read_text()
    assert "- file: ./a.csv\n" in saved


def test_values_that_types_change_are_said(tables: Any) -> None:
    """One line a column at the end of the run, in job_result.txt and for programs: counted once, retries included."""
    head = "".join(f"{n},0{n},{n % 2}\n" for n in range(250))
    tables.write("rows/a.csv", "price,code,flag\n" + head + "".join(f"{n}.5,7,x\n" for n in range(250, 290)))
    tables.write("rows/MLTable", "paths: [{file: a.csv}]\ntransformations: [read_delimited]\n")
    tables.write("pipeline.yml", PIPELINE.replace("mini_batch_rows: 3", "mini_batch_rows: 50"))
    tables.write(
        "src/score.py",
        "def run(rows, context):\n"
        "    assert context.minibatch_index % 2 or context.retry_count\n"
        "    return [int(price) for price in rows.price]\n",
    )
    ended = tables.fanout("run", "pipeline.yml", "--name", "typed")
    assert ended.code == 0, ended.said
    assert tables.output("scores.jsonl") == "".join(f"{n}\n" for n in range(290)).encode()
    lines = [
        "column code: 250 values such as 00 (a.csv:2) lost their leading zeros",
        "column flag: 250 values such as 0 (a.csv:2) became booleans",
        "column flag: 40 values such as x (a.csv:252) became null",
        "column price: 40 values such as 250.5 (a.csv:252) became whole numbers",
    ]
    [result] = (tables.folder / ".fanout/runs/typed/score").rglob("job_result.txt")
    for said in (ended.said, result.read_text(), tables.fanout("status", "typed").said):
        assert [line.strip() for line in said.splitlines() if line.strip().startswith("column ")] == lines
    assert "infer_column_types: {column_type_overrides: [{columns: price, column_type: float}]}" in ended.said
    [_, step] = json.loads(tables.fanout("status", "typed", "--json").said)["steps"]
    assert [(one["column"], one["how"], one["count"]) for one in step["changed_values"]][-1] == ("price", "cut", 40)


def test_the_setting_that_is_shown_keeps_them(tables: Any) -> None:
    """Written as the line says it, the table holds what the file does."""
    head = "".join(f"{n}\n" for n in range(250))
    tables.write("rows/a.csv", f"price\n{head}250.5\n")
    overrides = "{column_type_overrides: [{columns: price, column_type: float}]}"
    tables.write(
        "rows/MLTable",
        f"paths: [{{file: a.csv}}]\ntransformations: [{{read_delimited: {{infer_column_types: {overrides}}}}}]\n",
    )
    tables.write("src/score.py", "def run(rows):\n    return list(rows.price)\n")
    ended = tables.fanout("run", "pipeline.yml")
    assert ended.code == 0, ended.said
    assert tables.output("scores.jsonl").endswith(b"249.0\n250.5\n")
    assert "column price" not in ended.said


def test_the_package_comes_first_where_it_is_installed(tables: Any, tmp_path: Path) -> None:
    """Both kinds of steps get what the environment's own mltable is, not ours."""
    tables.write(
        "site/mltable/__init__.py",
        "from fanout.mltable import *\nfrom fanout import mltable as _ours\n"
        "def load(uri):\n    print('the package loads', uri)\n    return _ours.load(uri)\n",
    )
    tables.write("make/make.py", MAKE + "assert mltable.__file__.endswith('site/mltable/__init__.py')\n")
    tables.write("src/score.py", SCORE.replace("def run", "    print(mltable.__file__)\n\ndef run"))
    tables.environ["PYTHONPATH"] = str(tables.folder / "site")
    ended = tables.fanout("run", "pipeline.yml", "--name", "packaged")
    assert ended.code == 0, ended.said
    assert tables.output("scores.jsonl") == EXPECTED
    printed = [file.read_text() for file in (tables.folder / ".fanout/runs/packaged/score").rglob("*.stdout.txt")]
    assert "the package loads azureml://datastores/blobs/paths/prices\n" in "".join(printed)
    assert f"{tables.folder}/site/mltable/__init__.py\n" in "".join(printed)


def test_a_delta_lake_is_scored_by_partition(tables: Any) -> None:
    """Its partitions are the mini-batches, of the version that was asked for; the context has their values."""
    lake = tables.folder / "lake"
    write_deltalake(
        lake, pa.table({"n": list(range(8)), "sku": [f"00{n % 3 + 1}" for n in range(8)]}), partition_by=["sku"]
    )
    write_deltalake(lake, pa.table({"n": [99], "sku": ["001"]}), mode="append")
    tables.write("rows/MLTable", "paths: [{folder: ../lake}]\ntransformations: [read_delta_lake: {version_as_of: 0}]\n")
    tables.write("pipeline.yml", PIPELINE.replace("mini_batch_rows: 3", "partition_keys: [sku]"))
    tables.write(
        "src/score.py", "def run(rows, context):\n    return [[*context.partition_key_value.values(), *rows.n]]\n"
    )
    ended = tables.fanout("run", "pipeline.yml")
    assert ended.code == 0, ended.said
    lines = map(json.loads, tables.output("scores.jsonl").splitlines())
    assert list(lines) == [["001", 0, 3, 6], ["002", 1, 4, 7], ["003", 2, 5]]


@pytest.mark.localstack
def test_a_table_in_a_bucket_is_scored(tables: Any, localstack_endpoint: str, aws_environ: Any, tmp_path: Path) -> None:
    """Rows and prices in S3, over a datastore; slots read them with the endpoint that fanout.toml names."""
    import boto3

    environ = aws_environ(localstack_endpoint)
    client: Any = boto3.client(
        "s3",
        endpoint_url=localstack_endpoint,
        region_name="us-east-1",
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket="mltables")
    for name in ("MLTable", "a.csv"):
        client.put_object(
            Bucket="mltables", Key=f"blobs/rows/{name}", Body=(tables.folder / "rows" / name).read_bytes()
        )
    keys = {name: environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    tables.environ.update(keys)
    tables.write(
        "fanout.toml",
        f'endpoint_url = "{localstack_endpoint}"\nregion = "us-east-1"\n[datastores]\nblobs = "s3://mltables/blobs"\n',
    )
    tables.write("pipeline.yml", PIPELINE.replace("path: ./rows", "path: azureml://datastores/blobs/paths/rows"))
    ended = tables.fanout("run", "pipeline.yml")
    assert ended.code == 0, ended.said
    assert tables.output("scores.jsonl") == EXPECTED
