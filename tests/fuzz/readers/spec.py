"""What people write: pipeline files, components, --set, fanout.toml, MLTable files, settings of output."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from fanout.config.settings import load_settings
from fanout.pipeline.load import load_pipeline
from fanout.pipeline.model import Pipeline
from fanout.pipeline.yaml.diagnostics import Report
from fanout.pipeline.yaml.parser import DocumentSource, parse_document
from fanout.records.codec import Record
from fanout.slot.child.row_encoder import SETTINGS_FILE, read_settings
from fanout.tables.mltable_file import parse_mltable
from tests.fuzz.reader import Reader, text_of

PIPELINE = b"""\
type: pipeline
display_name: score
settings: {default_compute: "azureml:cpu", continue_on_step_failure: true}
inputs:
  files: {type: uri_folder, path: ./in}
  rate: {type: number, default: 0.5, min: 0, max: 1}
outputs:
  scores: {type: uri_file, path: ./scores.txt}
jobs:
  score:
    type: parallel
    mini_batch_size: "10"
    mini_batch_error_threshold: 5
    max_concurrency_per_instance: 2
    resources: {instance_count: 2}
    retry_settings: {max_retries: 2, timeout: 60}
    environment_variables: {LEVEL: "3"}
    inputs: {data: "${{parent.inputs.files}}", rate: "${{parent.inputs.rate}}"}
    outputs: {rows: "${{parent.outputs.scores}}"}
    input_data: ${{inputs.data}}
    task:
      type: run_function
      code: ./src
      entry_script: score.py
      program_arguments: --rate ${{inputs.rate}} $[[--again ${{inputs.rate}}]]
      append_row_to: ${{outputs.rows}}
      environment: azureml:any@latest
  count:
    type: command
    command: wc -l "${{inputs.rows}}" > ${{outputs.n}}
    inputs: {rows: "${{parent.jobs.score.outputs.rows}}"}
    outputs: {n: {type: uri_file}}
"""
TRIGGER = PIPELINE.replace(
    b"jobs:\n",
    b"""\
trigger:
  name: shop
  bucket: uploads
  prefix: in/
  suffix: .csv
  input: files
  batch: {objects: 10, seconds: 1.5}
  queue: arn:aws:sqs:eu-central-1:123456789012:arrivals
jobs:
""",
).replace(b"./scores.txt", b"'./${{trigger.run}}.txt'")
COMPONENT = b"""\
$schema: https://azuremlschemas.azureedge.net/latest/parallelComponent.schema.json
type: parallel
name: scorer
version: 1
display_name: &name Scorer
description: *name
inputs: {data: {type: uri_folder}, rate: {type: integer, default: 3, optional: true}}
outputs: {rows: {type: uri_file}}
mini_batch_size: "2"
input_data: ${{inputs.data}}
task: {type: run_function, code: ./src, entry_script: score.py, append_row_to: "${{outputs.rows}}"}
"""
WITH_COMPONENT = """\
type: pipeline
inputs: {files: {type: uri_folder, path: ./in}}
jobs:
  score:
    type: parallel
    component: ./component.yml
    inputs: {data: "${{parent.inputs.files}}"}
"""
PIPELINE_COMPONENT = b"""\
$schema: https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json
type: pipeline
name: scoring
inputs: {data: {type: uri_folder}, size: {type: string, default: "2"}}
outputs: {rows: {type: uri_file}}
jobs:
  clean: {command: "cp ${{inputs.d}}/* ${{outputs.o}}", inputs: {d: "${{parent.inputs.data}}"}, outputs: {o: }}
  score:
    type: parallel
    inputs: {files: "${{parent.jobs.clean.outputs.o}}"}
    outputs: {rows: "${{parent.outputs.rows}}"}
    input_data: ${{inputs.files}}
    mini_batch_size: ${{parent.inputs.size}}
    task: {type: run_function, code: ./src, entry_script: score.py, append_row_to: "${{outputs.rows}}"}
  more: {component: ./nested.yml, inputs: {data: "${{parent.inputs.data}}"}, depends_on: [score]}
"""
WITH_PIPELINE_COMPONENT = """\
type: pipeline
inputs: {files: {type: uri_folder, path: ./in}}
outputs: {rows: {type: uri_file}}
jobs:
  a:
    component: ./nested.yml
    inputs: {data: "${{parent.inputs.files}}"}
    outputs: {rows: "${{parent.outputs.rows}}"}
  b: {command: "wc ${{inputs.r}}", inputs: {r: "${{parent.jobs.a.outputs.rows}}"}}
"""
SETTINGS = b"""\
store = "./runs"
queue = "sqlite:./queues"
visibility = 30
max_receives = 5
region = "eu-west-1"
[datastores]
blobs = "s3://bucket/blobs"
[computes]
cpu = "local"
[profiles.aws]
store = "s3://runs/prefix"
endpoint_url = "http://localhost:4566"
datastores = {more = "s3://other"}
"""
MLTABLE = (
    b"""\
$schema: https://azuremlschemas.azureedge.net/latest/MLTable.schema.json
type: mltable
paths:
  - pattern: ./**/*.csv
  - folder: ./more
  - file: s3://bucket/a.csv
transformations:
  - read_delimited: {delimiter: ",", encoding: utf8, header: all_files_same_headers, include_path_column: true}
  - extract_columns_from_partition_format: /{day:yyyy/MM/dd}/{store}.csv
  - filter: 'col("a") > 5 and not (col("b") == "x")'
  - take: 100
  - convert_column_types:
      - {columns: [a, b], column_type: int}
      - {columns: c, column_type: {datetime: {formats: ["%Y"]}}}
  - keep_columns: [a, b, c]
""",
    b"paths: [{file: ./a.jsonl}]\ntransformations: [{read_json_lines: {invalid_lines: drop}}, skip: 3]\n",
    b"paths: [{folder: .}]\ntransformations: [read_parquet, {take_random_sample: {probability: 0.5, seed: 1}}]\n",
    b"a: &a {paths: [x]}\n<<: *a\n",
)


@cache
def project() -> Path:
    """A folder with what the pipeline files name, gone when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="fanout-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "src").mkdir()
    (folder / "src" / "score.py").write_text("def run(b):\n    return b\n")
    (folder / "in").mkdir()
    (folder / "in" / "a.txt").write_text("a")
    (folder / "with_component.yml").write_text(WITH_COMPONENT)
    (folder / "with_pipeline_component.yml").write_text(WITH_PIPELINE_COMPONENT)
    return folder


def _document(body: bytes) -> object:
    report = Report()
    node = parse_document(body, DocumentSource("p.yml", Path("/work")), report)
    report.finish()
    return node


PIPELINES = Record(Pipeline, version=None, complete=True)


def _pipeline(body: bytes) -> object:
    file = project() / "pipeline.yml"
    file.write_bytes(body)
    pipeline = load_pipeline(file, for_trigger=None)
    assert PIPELINES.load(PIPELINES.dump(pipeline), "run.json") == pipeline, (
        "what was taken does not survive being stored"
    )
    return pipeline


def _component(body: bytes) -> object:
    (project() / "component.yml").write_bytes(body)
    return load_pipeline(project() / "with_component.yml")


def _pipeline_component(body: bytes) -> object:
    (project() / "nested.yml").write_bytes(body)
    return load_pipeline(project() / "with_pipeline_component.yml")


def _override(body: bytes) -> object:
    (project() / "plain.yml").write_bytes(PIPELINE)
    return load_pipeline(project() / "plain.yml", [text_of(body)])


def _settings(body: bytes) -> object:
    (project() / "fanout.toml").write_bytes(body)
    try:
        return load_settings(project(), None, {}), load_settings(project(), "aws", {})
    finally:
        (project() / "fanout.toml").unlink()


def _mltable(body: bytes) -> object:
    return parse_mltable(body, "s3://bucket/table/MLTable"), parse_mltable(body, "file:///data/table/MLTable")


def _row_settings(body: bytes) -> object:
    (project() / SETTINGS_FILE).write_bytes(body)
    return read_settings(str(project()))


READERS = (
    Reader("yaml", (PIPELINE, COMPONENT, *MLTABLE), _document),
    Reader("pipeline", (PIPELINE, TRIGGER), _pipeline),
    Reader("component", (COMPONENT,), _component),
    Reader("pipeline component", (PIPELINE_COMPONENT, PIPELINE_COMPONENT.split(b"  more:")[0]), _pipeline_component),
    Reader("override", (b"jobs.score.mini_batch_size=5", b"jobs.score.task={a: [1]}", b"inputs.rate=1e3"), _override),
    Reader("fanout.toml", (SETTINGS,), _settings),
    Reader("MLTable", MLTABLE, _mltable),
    Reader("row settings", (b'{"append_row": {"pandas.DataFrame.to_csv": {"sep": "|"}}}',), _row_settings),
)
