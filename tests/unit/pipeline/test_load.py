"""Pipeline files of the shapes that the reference describes, as typed values."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fanout.errors import SpecError
from fanout.pipeline.load import load_pipeline
from fanout.pipeline.model import (
    CommandStep,
    DataInput,
    DataType,
    EntryTask,
    Environment,
    InputMode,
    Limits,
    LiteralInput,
    MiniBatchSize,
    Output,
    OutputMode,
    ParallelStep,
    Pipeline,
    RetrySettings,
    StepOutput,
    Thresholds,
)
from fanout.pipeline.trigger import RUN_TOKEN

Load = Callable[..., Pipeline]

IRIS = """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline
display_name: iris-batch-prediction
description: Tabular data, cut by size
experiment_name: iris
tags: {team: forest, version: 1.10}
settings:
  default_compute: azureml:cpu-cluster
inputs:
  input_data:
    type: mltable
    path: ./table
    mode: direct
  score_model:
    type: uri_file
    path: ./one.csv
    mode: download
outputs:
  job_output:
jobs:
  batch_prediction:
    type: parallel
    compute: azureml:cpu-cluster
    inputs:
      input_data: ${{parent.inputs.input_data}}
      score_model: ${{parent.inputs.score_model}}
    outputs:
      job_output_file:
        type: uri_file
        mode: rw_mount
    input_data: ${{inputs.input_data}}
    mini_batch_size: "10kb"
    resources:
      instance_count: 2
    max_concurrency_per_instance: 2
    error_threshold: 5
    mini_batch_error_threshold: 7
    logging_level: DEBUG
    retry_settings:
      max_retries: 3
      timeout: 30
    environment_variables:
      NUMBER: 1
      FLAG: true
    task:
      type: run_function
      code: ./src
      entry_script: score.py
      program_arguments: >-
        --model ${{inputs.score_model}}
        --error_threshold 6
        --allowed_failed_percent 30
        --resource_monitor_interva 20
        --task_overhead_timeout 1200
        --progress_update_timeout 600
        --first_task_creation_timeout "700"
        --copy_logs_to_parent True
        --resource_monitor_interval=20
      append_row_to: ${{outputs.job_output_file}}
      environment:
        name: sklearn
        version: 3
        image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04
        conda_file: ./conda.yml
"""


def test_the_iris_shape(load: Load, folder: Path) -> None:
    """A tabular input cut by size, every setting written out, program arguments over attributes."""
    pipeline = load(IRIS)
    [step] = pipeline.steps
    assert isinstance(step, ParallelStep)
    assert (pipeline.display_name, pipeline.tags) == ("iris-batch-prediction", {"team": "forest", "version": "1.10"})
    assert step.inputs == {
        "input_data": DataInput((folder / "table").as_uri(), DataType.MLTABLE, InputMode.DIRECT, "input_data"),
        "score_model": DataInput((folder / "one.csv").as_uri(), DataType.URI_FILE, InputMode.DOWNLOAD, "score_model"),
    }
    assert step.outputs == {"job_output_file": Output(DataType.URI_FILE, OutputMode.RW_MOUNT)}
    assert step.mini_batch_size == MiniBatchSize(10, "kb")
    assert step.thresholds == Thresholds(6, 7, 30.0)
    assert step.retry_settings == RetrySettings(3, 30)
    assert step.limits == Limits(1200, 700, 600)
    assert step.environment_variables == {"NUMBER": "1", "FLAG": "true"}
    assert (step.copy_logs_to_parent, step.resource_monitor_interval, step.logging_level) == (True, 20.0, "DEBUG")
    assert (step.instance_count, step.max_concurrency_per_instance) == (2, 2)
    assert step.task.append_row_to == "job_output_file"
    assert step.task.program_arguments.startswith("--model ${{inputs.score_model}} --error_threshold 6")
    assert step.task.code == str(folder / "src")
    assert step.task.environment.conda_file == str(folder / "conda.yml")


OJ = """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
type: pipeline
settings: {default_compute: azureml:cpu-cluster, default_datastore: azureml:blobs}
inputs:
  raw: {type: mltable, path: ./table, mode: direct}
jobs:
  partition_job:
    type: command
    component: ./comp/partition.yml
    inputs:
      data_source: ${{parent.inputs.raw}}
      partition_keys: Store,Brand
    outputs:
      tabular_output_data:
        type: mltable
        mode: rw_mount
  train:
    type: parallel
    inputs:
      data:
        path: ${{ parent.jobs.partition_job.outputs.tabular_output_data }}
        type: mltable
        mode: direct
      drop_cols: Revenue,Advert
    outputs:
      results:
        type: uri_file
        path: azureml://datastores/${{default_datastore}}/paths/${{name}}/aggregated_returns.csv
      models: {type: uri_folder, path: "azureml://datastores/${{default_datastore}}/paths/${{name}}/${{output_name}}"}
    input_data: ${{inputs.data}}
    partition_keys: [Store, Brand]
    mini_batch_error_threshold: 5
    error_threshold: -1
    task:
      type: run_function
      code: ./src
      entry_script: score.py
      environment: azureml://registries/azureml/environments/sklearn-1.5/labels/latest
      program_arguments: --drop_cols ${{inputs.drop_cols}} --models ${{outputs.models}}
      append_row_to: ${{outputs.results}}
  view:
    inputs: {r: "${{parent.jobs.train.outputs.results}}"}
    command: cat ${{inputs.r}}; echo done;
    environment: azureml:x@latest
"""
PARTITION = """
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
name: partition_data
version: 1
display_name: partition
type: command
inputs:
  data_source: {type: mltable}
  partition_keys: {type: string}
  limit: {type: integer, default: 10, min: 0}
  label: {type: string, optional: true}
outputs:
  tabular_output_data: {type: uri_folder}
code: ./
environment: {image: x, conda_file: ./conda.yml}
command: >-
  python a.py --data ${{inputs.data_source}} --keys ${{inputs.partition_keys}} --limit ${{inputs.limit}}
  $[[--label ${{inputs.label}}]] --out ${{outputs.tabular_output_data}}
"""


def test_the_orange_juice_shape(load: Load, folder: Path) -> None:
    """A component without `file:`, a binding in an object, partition keys, output path macros, a default type."""
    partition, train, view = load(OJ, comp__partition_yml=PARTITION).steps
    assert isinstance(partition, CommandStep)
    assert partition.code == str(folder / "comp")
    assert partition.environment == Environment(image="x", conda_file=str(folder / "comp" / "conda.yml"))
    assert partition.inputs["limit"] == LiteralInput(10)
    assert partition.inputs["label"] == LiteralInput(None)
    assert partition.outputs["tabular_output_data"].type is DataType.MLTABLE
    assert isinstance(train, ParallelStep)
    assert train.inputs["data"] == StepOutput(
        "partition_job", "tabular_output_data", DataType.MLTABLE, InputMode.DIRECT
    )
    assert train.outputs["results"].uri == f"azureml://datastores/blobs/paths/{RUN_TOKEN}/train/aggregated_returns.csv"
    assert train.outputs["models"].uri == f"azureml://datastores/blobs/paths/{RUN_TOKEN}/train/models"
    assert (train.partition_keys, train.mini_batch_size) == (("Store", "Brand"), None)
    assert train.compute == "azureml:cpu-cluster"
    assert isinstance(view, CommandStep)
    assert view.inputs["r"] == StepOutput("train", "results", DataType.URI_FILE)
    assert (partition.after, train.after, view.after) == (frozenset(), {"partition_job"}, {"train"})


def parallel(**changes: str) -> str:
    """A pipeline with one small parallel step; `changes` are lines added to the step or its task."""
    step, task = changes.get("step", ""), changes.get("task", "")
    return f"""
type: pipeline
{changes.get("top", "inputs: {n: 7}")}
jobs:
  score:
    type: parallel
    inputs: {{files: {changes.get("files", "{path: ./data}")}, x: a b, {changes.get("inputs", "")}}}
    outputs: {{out: }}
    input_data: ${{{{inputs.files}}}}
    {step}
    task: {{type: run_function, code: ./src, entry_script: score.py, {task}}}
"""


TABLE = "{path: ./table, type: mltable}"


def score(pipeline: Pipeline) -> ParallelStep:
    [step] = pipeline.steps
    assert isinstance(step, ParallelStep)
    return step


def test_what_is_not_written_has_the_reference_s_default(load: Load) -> None:
    """Retries 2, 60 seconds, thresholds ignored, INFO, one node, rows only counted."""
    step = score(load(parallel()))
    assert step.retry_settings == RetrySettings(2, 60)
    assert step.thresholds == Thresholds(-1, -1, 100)
    assert step.limits == Limits(600, 600, None)
    assert (step.logging_level, step.instance_count, step.max_concurrency_per_instance) == ("INFO", 1, None)
    assert step.mini_batch_size is None
    assert step.task == EntryTask("score.py", step.task.code)
    assert step.outputs == {"out": Output(DataType.URI_FOLDER, OutputMode.RW_MOUNT)}


@pytest.mark.parametrize(
    ("line", "read", "value"),
    [
        ("mini_batch_size: ${{parent.inputs.n}}", lambda s: s.mini_batch_size, MiniBatchSize(7)),
        ("max_concurrency_per_instance: ${{parent.inputs.n}}", lambda s: s.max_concurrency_per_instance, 7),
        ("error_threshold: ${{ parent.inputs.n }}", lambda s: s.thresholds.error_threshold, 7),
        ("mini_batch_error_threshold: '7'", lambda s: s.thresholds.mini_batch_error_threshold, 7),
        ("retry_settings: {timeout: '${{parent.inputs.n}}'}", lambda s: s.retry_settings.timeout, 7),
        ("retry_settings: {max_retries: '${{parent.inputs.n}}'}", lambda s: s.retry_settings.max_retries, 7),
        ("resources: {instance_count: '${{parent.inputs.n}}'}", lambda s: s.instance_count, 7),
        ("environment_variables: {A: '${{parent.inputs.n}}'}", lambda s: s.environment_variables, {"A": "7"}),
        ("logging_level: WARNING", lambda s: s.logging_level, "WARNING"),
        ("max_concurrency_per_instance: 0", lambda s: s.max_concurrency_per_instance, None),
        ("mini_batch_size: '0'", lambda s: s.mini_batch_size, None),
        ("mini_batch_size: 3MB", lambda s: s.mini_batch_size, MiniBatchSize(3, "mb")),
        ("mini_batch_rows: 5", lambda s: s.mini_batch_rows, 5),
        ("isolate_failures: true", lambda s: s.isolate_failures, True),
        ("speculate: 'yes'", lambda s: s.speculate, True),
        ("max_concurrency_per_instance: 1", lambda s: (s.isolate_failures, s.speculate), (False, False)),
        ("compute: local", lambda s: s.compute, "local"),
    ],
)
def test_a_setting_may_be_bound_or_quoted(
    load: Load, line: str, read: Callable[[ParallelStep], object], value: object
) -> None:
    """Every setting that Azure lets bind to a pipeline input."""
    assert read(score(load(parallel(step=line, files=TABLE)))) == value


@pytest.mark.parametrize(
    ("arguments", "thresholds"),
    [
        ("--error_threshold 5", Thresholds(5)),
        ("--error_threshold=5 --error_threshold 6", Thresholds(6)),
        ("--error_threshold ${{inputs.t}}", Thresholds(3)),
        ("$[[--error_threshold ${{inputs.none}}]]", Thresholds(1)),
        ("--allowed_failed_count '\"4\"' --allowed_failed_percent 12.5", Thresholds(1, 4, 12.5)),
        ("--error_thresh 5 --ERROR_THRESHOLD 5 x --", Thresholds(1)),
    ],
)
def test_a_program_argument_wins_over_the_attribute(load: Load, arguments: str, thresholds: Thresholds) -> None:
    """The last one, bound or quoted, never abbreviated; the script still sees what was written."""
    task = f"program_arguments: {json.dumps(arguments)}"
    text = parallel(step="error_threshold: 1", inputs="t: 3, none: {type: integer, optional: true}", task=task)
    step = score(load(text))
    assert step.thresholds == thresholds
    assert step.task.program_arguments == arguments


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        ("--copy_logs_to_parent YES", "copy_logs_to_parent", True),
        ("--push_metrics_to_parent '\"True\"'", "push_metrics_to_parent", True),
        ("--push_metrics_to_parent 1 --push_metrics_to_parent off", "push_metrics_to_parent", False),
        ("--metrics_name_prefix 'a b'", "metrics_name_prefix", "a b"),
        ("--resource_monitor_interval 0", "resource_monitor_interval", 0.0),
        ("--resource_monitor_interva 20", "resource_monitor_interval", 600.0),
        ("--profiling_module cProfile", "profiling_module", "cProfile"),
        ("--profiling_module ''", "profiling_module", ""),
        ("--append_row_file_name parallel_run_step.jsonl", "append_row_file_name", "parallel_run_step.jsonl"),
        ("--rank_mini_batch_count 4", "rank_mini_batch_count", 4),
        ("--rank_mini_batch_count -1", "rank_mini_batch_count", 0),
        ("--amlbi_async_mode_of_mine x", "json_records", False),
    ],
)
def test_other_program_arguments(load: Load, arguments: str, field: str, value: object) -> None:
    """Booleans and numbers in every spelling that people use; what is misspelt is the script's own."""
    step = score(load(parallel(task=f"program_arguments: {json.dumps(arguments)}")))
    assert getattr(step, field) == value


@pytest.mark.parametrize(
    ("arguments", "line", "rows"),
    [
        ("--amlbi_pf_enabled True --amlbi_mini_batch_rows 5", "", 5),
        ("--amlbi_file_format jsonl", "", 1),
        ("--amlbi_pf_enabled true --amlbi_mini_batch_rows 5", "mini_batch_size: '3'", 3),
        ("--amlbi_pf_enabled yes", "mini_batch_rows: 7", 7),
    ],
)
def test_objects_of_a_json_lines_file(load: Load, arguments: str, line: str, rows: int) -> None:
    """Then input_data may be a uri_file, and a size counts rows."""
    task = f"program_arguments: {json.dumps(arguments)}"
    text = parallel(step=line, files="{type: uri_file, path: one.csv}", task=task)
    step = score(load(text))
    assert (step.json_records, step.mini_batch_rows) == (True, rows)


def test_a_literal_keeps_its_type(load: Load) -> None:
    """Numbers are numbers, quoted ones text."""
    step = score(load(parallel(inputs="i: 1, f: 0.5, b: true, q: '1', z: 007, n: '${{parent.inputs.n}}'")))
    values = {name: value.value for name, value in step.inputs.items() if isinstance(value, LiteralInput)}
    assert values == {"x": "a b", "i": 1, "f": 0.5, "b": True, "q": "1", "z": "007", "n": 7}
    assert type(values["b"]) is bool


def test_the_input_of_another_step_may_be_used(load: Load, folder: Path) -> None:
    """Through as many steps as it takes."""
    text = """
    type: pipeline
    jobs:
      a: {command: echo, inputs: {x: {type: uri_folder, path: ./data}}}
      b: {command: echo, inputs: {x: "${{parent.jobs.a.inputs.x}}"}}
      c: {command: echo, inputs: {x: "${{parent.jobs.b.inputs.x}}"}}
    """
    assert load(text).steps[2].inputs["x"] == DataInput((folder / "data").as_uri(), DataType.URI_FOLDER)


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("./data", "{folder}/data"),
        ("data/../data/", "{folder}/data"),
        ("file:data", "{folder}/data"),
        ("file://{path}/data", "{folder}/data"),
        ("{path}/data", "{folder}/data"),
        ("s3://bucket/a/b", "s3://bucket/a/b"),
        ("https://host/a?b=c", "https://host/a?b=c"),
        ("azureml://datastores/ds/paths/a", "azureml://datastores/ds/paths/a"),
        (
            "azureml://subscriptions/s/resourcegroups/r/workspaces/w/datastores/ds/paths/a",
            "azureml://subscriptions/s/resourcegroups/r/workspaces/w/datastores/ds/paths/a",
        ),
    ],
)
def test_every_path_form_becomes_an_absolute_uri(load: Load, folder: Path, path: str, uri: str) -> None:
    """Local ones from the folder of the file, remote ones as written."""
    path = path.format(path=folder)
    text = f"type: pipeline\njobs: {{a: {{command: echo, inputs: {{x: {{type: uri_folder, path: '{path}'}}}}}}}}"
    value = load(text).steps[0].inputs["x"]
    assert isinstance(value, DataInput)
    assert value.uri == uri.format(folder=folder.as_uri())


def test_a_step_s_output_takes_place_and_type_from_the_pipeline_s(load: Load, folder: Path) -> None:
    """What the pipeline says of its own output holds unless the step says otherwise."""
    text = """
    type: pipeline
    outputs: {final: {type: uri_file, mode: upload, path: ./out/x.csv}}
    jobs: {a: {command: "echo > ${{outputs.o}}", outputs: {o: "${{parent.outputs.final}}"}}}
    """
    expected = Output(DataType.URI_FILE, OutputMode.UPLOAD, (folder / "out" / "x.csv").as_uri(), "final")
    assert load(text).steps[0].outputs == {"o": expected}


@pytest.mark.parametrize(
    ("text", "notice"),
    [
        (parallel(step="identity: {type: managed}"), "no effect here: jobs.score.identity"),
        (
            parallel(step="mini_batch_size: 10"),
            "jobs.score.mini_batch_size: Azure wants text here; write '10' in quotes",
        ),
        (
            parallel(step="mini_batch_size: 10 kb", files=TABLE),
            "jobs.score.mini_batch_size: Azure takes no space here; write '10kb'",
        ),
        (
            parallel(step="resources: {instance_type: x, docker_args: y}", top="services: {a: {type: ssh}}"),
            "no effect here: jobs.score.resources.instance_type, jobs.score.resources.docker_args, services",
        ),
        (
            parallel(step="append_row_to: ${{outputs.out}}"),
            "jobs.score.append_row_to: has no effect here: it belongs under task",
        ),
        (
            parallel(step="partition_keys: [a]\n    mini_batch_size: '1'", files=TABLE),
            "jobs.score.mini_batch_size: has no effect beside partition_keys, which decide how the input is cut",
        ),
        (
            parallel(inputs="n: '${{inputs.n}}'"),
            "jobs.score.inputs.n: '${{inputs.n}}' is an old spelling; write ${{parent.inputs.n}}",
        ),
        (
            parallel(task="environment: azureml:x@latest"),
            "jobs: images and registered environments are not used; steps run in fanout's own Python (score)",
        ),
        (
            parallel(top="settings: {force_rerunn: true}"),
            "settings.force_rerunn: has no effect here; did you mean 'force_rerun'?",
        ),
        (
            parallel(step="identity: {type: x}\n    resources: {instance_type: x, shm_size: y, docker_args: z}"),
            (
                "no effect here: jobs.score.identity, jobs.score.resources.instance_type, "
                "jobs.score.resources.shm_size, jobs.score.resources.docker_args"
            ),
        ),
        (parallel(top="outputs: {o: }"), "outputs.o: no step writes this output"),
        (parallel(top="schedule: {type: cron}"), "schedule: has no effect here: a run starts when it is asked for"),
    ],
)
def test_what_has_no_effect_is_said_in_one_line(load: Load, text: str, notice: str) -> None:
    """Accepted, because Azure accepts it, but not in silence."""
    assert notice in load(text).notices


def test_a_plain_file_has_no_notices(load: Load) -> None:
    """Tags, descriptions and the like need none."""
    assert load(parallel(top="tags: {a: b}\ndescription: x\nproperties: {p: 1}")).notices == ()


def test_a_missing_input_is_one_problem(tmp_path: Path) -> None:
    """Whoever uses an input that is wrong does not add problems of its own."""
    path = tmp_path / "pipeline.yml"
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "score.py").write_text("def run(b):\n    return b\n")
    path.write_text(
        "type: pipeline\n"
        "inputs:\n"
        "  files: {type: uri_folder, path: ./nope}\n"
        "jobs:\n"
        "  score:\n"
        "    type: parallel\n"
        "    inputs: {data: '${{parent.inputs.files}}'}\n"
        "    input_data: ${{inputs.data}}\n"
        "    task: {type: run_function, code: ./src, entry_script: score.py, environment: 'azureml:e@latest'}\n"
    )
    with pytest.raises(SpecError) as caught:
        load_pipeline(path)
    assert [problem.key for problem in caught.value.problems] == ["inputs.files.path"]


def test_many_keys_of_azure_s_own_are_one_line(load: Load) -> None:
    """The first of them, and how many more."""
    steps = "".join(f"  s{i}: {{command: x, identity: {{type: a}}}}\n" for i in range(10))
    [notice] = load(f"type: pipeline\njobs:\n{steps}").notices
    assert notice.startswith("no effect here: jobs.s0.identity, jobs.s1.identity, ")
    assert notice.endswith("jobs.s7.identity and 2 more")


def test_a_command_on_several_nodes_runs_once(load: Load) -> None:
    """What instances would be for is said to have no effect."""
    [notice] = load("type: pipeline\njobs: {a: {command: x, resources: {instance_count: 3}}}").notices
    assert notice == "jobs.a.resources.instance_count: has no effect here: the command runs once, on one node"


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("{type: integer, default: 10.0}", 10),
        ("{type: integer, default: '7'}", 7),
        ("{type: number, default: 3}", 3),
        ("{type: boolean, default: 'True'}", True),
        ("{type: String, default: 5}", "5"),
    ],
)
def test_values_as_azure_reads_them(load: Load, declared: str, value: object) -> None:
    """Whole numbers with a fraction of 0, values in quotes, types in any case."""
    [step] = load(f"type: pipeline\njobs: {{a: {{component: {{command: x, inputs: {{v: {declared}}}}}}}}}").steps
    assert step.inputs["v"] == LiteralInput(value)  # type: ignore[arg-type]


def test_types_and_modes_in_any_case(load: Load) -> None:
    """As Azure takes them; and `path`, which is what uri_folder was called."""
    text = """
type: pipeline
inputs: {d: {type: URI_FOLDER, path: ./data, mode: Download}}
jobs:
  a:
    component: {command: x, inputs: {i: {type: path}}, outputs: {o: {type: uri_folder}}}
    inputs: {i: "${{parent.inputs.d}}"}
    outputs: {o: {type: Uri_File}}
"""
    [step] = load(text).steps
    assert isinstance(step.inputs["i"], DataInput)
    assert (step.inputs["i"].type, step.inputs["i"].mode) == (DataType.URI_FOLDER, InputMode.DOWNLOAD)
    assert step.outputs["o"].type is DataType.URI_FILE


def test_the_environment_of_the_step_where_the_task_has_none(load: Load) -> None:
    """The task's counts, and that is said."""
    here, both = (
        load(parallel(step="environment: azureml:step:1", task=task)) for task in ("", "environment: azureml:task:1")
    )
    assert isinstance(here.steps[0], ParallelStep)
    assert here.steps[0].environment.name == "azureml:step:1"
    assert isinstance(both.steps[0], ParallelStep)
    assert both.steps[0].environment.name == "azureml:task:1"
    assert "jobs.score.environment: has no effect here: task.environment counts" in both.notices


BOUND = """
type: pipeline
inputs:
  files: {path: ./data}
  size: "2"
  count: 3
  tries: 4
  seconds: 20.5
  word: hello
  level: WARNING
  none: {optional: true, type: integer}
jobs:
  score:
    type: parallel
    compute: ${{parent.inputs.word}}
    inputs: {files: "${{parent.inputs.files}}"}
    input_data: ${{inputs.files}}
    mini_batch_size: ${{parent.inputs.size}}
    max_concurrency_per_instance: ${{ parent.inputs.count }}
    error_threshold: ${{parent.inputs.none}}
    mini_batch_error_threshold: ${{parent.inputs.count}}
    logging_level: ${{parent.inputs.level}}
    retry_settings: {max_retries: "${{parent.inputs.tries}}", timeout: "${{parent.inputs.seconds}}"}
    resources: {instance_count: "${{parent.inputs.count}}"}
    environment_variables: {WORD: "${{parent.inputs.word}}"}
    task: {type: run_function, code: ./src, entry_script: score.py}
  then:
    command: x
    limits: {timeout: "${{parent.inputs.seconds}}"}
    environment_variables: {N: "${{parent.inputs.count}}"}
"""


def test_settings_bound_to_inputs(load: Load) -> None:
    """Every one that Azure lets people bind; an optional input without a value leaves its setting as not written."""
    score, then = load(BOUND).steps
    assert isinstance(score, ParallelStep)
    assert score.mini_batch_size == MiniBatchSize(2)
    assert (score.max_concurrency_per_instance, score.instance_count, score.compute) == (3, 3, "hello")
    assert score.thresholds == Thresholds(-1, 3, 100.0)
    assert score.retry_settings == RetrySettings(4, 20.5)
    assert (score.logging_level, score.environment_variables) == ("WARNING", {"WORD": "hello"})
    assert isinstance(then, CommandStep)
    assert (then.timeout, then.environment_variables) == (20.5, {"N": "3"})
    again = load(BOUND, overrides=["inputs.count=5"]).steps[0]
    assert again.instance_count == 5
