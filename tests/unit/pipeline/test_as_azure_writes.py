"""What Azure's SDK writes, and what its official files hold, is taken: paths, names, enums, tables."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fanout.pipeline.model import (
    CommandStep,
    DataInput,
    DataType,
    LiteralInput,
    Output,
    OutputMode,
    ParallelStep,
    Pipeline,
)

Load = Callable[..., Pipeline]
Refuse = Callable[..., list[str]]

PARALLEL = """
type: pipeline
inputs: {{files: {{path: ./data, type: {kind}}}}}
jobs:
  score:
    type: parallel
    inputs: {{files: "${{{{parent.inputs.files}}}}"}}
    outputs: {{out: {{type: uri_file}}}}
    input_data: ${{{{inputs.files}}}}
    task: {{type: run_function, code: {code}, entry_script: score.py, append_row_to: {rows}}}
"""


def parallel(rows: str = '"${{outputs.out}}"', code: str = "./src", kind: str = "uri_folder") -> str:
    return PARALLEL.format(rows=rows, code=code, kind=kind)


def command(rest: str, top: str = "") -> str:
    return f"type: pipeline\n{top}\njobs:\n  a: {{command: ls, {rest}}}\n"


@pytest.mark.parametrize("path", ["azureml:./data", "azureml:data/", "azureml:src/../data", "azureml:{folder}/data"])
def test_a_path_behind_azureml_is_the_path(load: Load, folder: Path, path: str) -> None:
    """`print(job)` and `job.dump()` put azureml: in front of every path."""
    text = command(f"inputs: {{x: {{type: uri_folder, path: '{path.format(folder=folder)}'}}}}")
    [step] = load(text).steps
    assert step.inputs == {"x": DataInput((folder / "data").as_uri(), DataType.URI_FOLDER)}


@pytest.mark.parametrize(
    "uri",
    ["wasbs://c@a.blob.core.windows.net/x", "https://example.com/x", "s3://b/x", "azureml://datastores/d/paths/x"],
)
def test_a_uri_behind_azureml_is_the_uri(load: Load, uri: str) -> None:
    """And in front of every URI."""
    [step] = load(command(f"inputs: {{x: {{type: uri_folder, path: 'azureml:{uri}'}}}}")).steps
    assert step.inputs == {"x": DataInput(uri, DataType.URI_FOLDER)}


@pytest.mark.parametrize(
    "asset", ["azureml:data:1", "azureml:data@latest", "azureml:/subscriptions/a/workspaces/w/data/d/versions/1"]
)
def test_an_asset_of_a_workspace_is_still_refused(refuse: Refuse, asset: str) -> None:
    """A name with a version, or an ARM id, is no path."""
    [problem] = refuse(command(f"inputs: {{x: {{path: '{asset}'}}}}"))
    assert "is an asset of an Azure workspace" in problem


def test_a_code_folder_behind_azureml(load: Load, folder: Path, refuse: Refuse) -> None:
    """The code of a step likewise; that of a component starts from the component's file, which is said."""
    [step] = load(parallel(code="azureml:./src")).steps
    assert isinstance(step, ParallelStep)
    assert step.task.code == str(folder / "src")
    [problem] = refuse(parallel(code="azureml:../srk"))
    assert "srk' does not exist; Azure's SDK writes the code of a component as in the component's file" in problem


def test_a_pipeline_component_written_out_in_the_file(load: Load) -> None:
    """As the SDK dumps it, and one in another."""
    inner = "{type: pipeline, outputs: {o: }, jobs: {x: {command: ls, outputs: {o: '${{parent.outputs.o}}'}}}}"
    outer = f"{{type: pipeline, jobs: {{b: {{type: pipeline, component: {inner}}}}}}}"
    text = f"type: pipeline\njobs:\n  a: {{type: pipeline, component: {outer}}}\n  c: {{component: {inner}}}\n"
    assert [step.name for step in load(text).steps] == ["a.b.x", "c.x"]


def test_more_inputs_than_a_pipeline_component_has(load: Load) -> None:
    """Azure takes them; a line says that nothing is done with them, and what may have been meant."""
    component = "type: pipeline\ninputs: {limit: {type: integer, default: 1}}\njobs: {x: {command: ls}}\n"
    text = "type: pipeline\njobs:\n  a: {type: pipeline, component: ./comp/c.yml, inputs: {limits: 3}}\n"
    pipeline = load(text, comp__c_yml=component)
    assert [step.name for step in pipeline.steps] == ["a.x"]
    [notice] = pipeline.notices
    assert notice.startswith(
        "jobs.a.inputs.limits: has no effect here: the component of step 'a' has no input 'limits'"
    )
    assert notice.endswith("did you mean 'limit'?")


@pytest.mark.parametrize("name", ["Train-With-R", "train.v2", "A"])
def test_a_component_may_have_any_name_that_azure_takes(load: Load, name: str) -> None:
    """Capitals, hyphens and dots."""
    [step] = load(f"type: pipeline\njobs: {{a: {{component: {{name: {name}, command: ls}}}}}}\n").steps
    assert step.name == "a"


@pytest.mark.parametrize(
    ("kind", "words", "value", "expected"),
    [
        ("number", "[224, 256]", "224", 224),
        ("number", "['0.5', 1e-1]", "0.1", 0.1),
        ("integer", "['224', '256']", "256", 256),
        ("boolean", "[true]", "true", True),
    ],
)
def test_an_enum_of_numbers_goes_by_value(
    load: Load, refuse: Refuse, kind: str, words: str, value: str, expected: object
) -> None:
    """224 is 224.0; what is none of them is refused as before."""

    def declared(value: str) -> str:
        return command(f"inputs: {{x: {{type: {kind}, enum: {words}, default: {value}}}}}")

    [step] = load(declared(value)).steps
    assert step.inputs == {"x": LiteralInput(expected)}  # type: ignore[arg-type]
    if kind != "boolean":
        [problem] = refuse(declared("7"))
        assert "found '7'" in problem


def test_an_output_of_type_path_is_a_folder(load: Load) -> None:
    """The old word for it."""
    [step] = load(command("outputs: {o: {type: path}}")).steps
    assert step.outputs == {"o": Output(DataType.URI_FOLDER)}


def test_a_build_context_is_said_to_have_no_effect(load: Load) -> None:
    """A step whose image would be built runs in fanout's own Python."""
    why = "has no effect here: no image is built; the step runs in fanout's own Python"
    assert load(command("environment: {build: {path: ./src}}")).notices == (f"jobs.a.environment.build: {why}",)


def test_a_table_without_mltable_is_a_folder_to_who_takes_a_folder(load: Load, refuse: Refuse) -> None:
    """Only a step that says it takes a table, has its files listed, or cuts it, needs the MLTable file."""
    top = "inputs: {t: {type: mltable, path: ./data, mode: direct}}"
    given = "'${{parent.inputs.t}}'"
    for taken in (given, f"{{type: uri_folder, path: {given}}}"):
        [step] = load(command(f"inputs: {{x: {taken}}}", top)).steps
        assert isinstance(step, CommandStep)
    for taken in (f"{{type: mltable, path: {given}}}", f"{{path: {given}, mode: eval_mount}}"):
        [problem] = refuse(command(f"inputs: {{x: {taken}}}", top))
        assert problem.startswith("pipeline.yml:4:")
        assert "'data' holds no file named MLTable" in problem
    [problem] = refuse(parallel(kind="mltable"))
    assert problem.startswith("pipeline.yml:7:21: jobs.score.inputs.files: 'data' holds no file named MLTable")


@pytest.mark.parametrize(
    ("path", "uri", "kind"),
    [
        ("./out/rows.csv", "{folder}/out/rows.csv", DataType.URI_FILE),
        ("rows.csv", "{folder}/rows.csv", DataType.URI_FILE),
        ("out/", "{folder}/out", DataType.URI_FOLDER),
        ("./data", "{folder}/data", DataType.URI_FOLDER),
        ("s3://b/rows.csv", "s3://b/rows.csv", DataType.URI_FILE),
        ("azureml:./rows.csv", "{folder}/rows.csv", DataType.URI_FILE),
    ],
)
def test_append_row_to_may_be_a_path(load: Load, folder: Path, path: str, uri: str, kind: DataType) -> None:
    """It is an output of the step then; what ends with / or is a folder gets the file in it."""
    [step] = load(parallel(rows=path)).steps
    assert isinstance(step, ParallelStep)
    assert step.task.append_row_to == "append_row_to"
    expected = uri.format(folder=folder.as_uri())
    assert step.outputs["append_row_to"] == Output(kind, OutputMode.RW_MOUNT, expected)
    assert step.outputs["out"] == Output(DataType.URI_FILE)


def test_a_word_that_is_no_path_is_a_mistake(refuse: Refuse) -> None:
    """A misspelt output would make a file of that name."""
    [problem] = refuse(parallel(rows="outt"))
    assert "append_row_to: expected ${{outputs.name}}, found 'outt'" in problem
