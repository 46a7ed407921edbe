"""Python values for inputs and keys of a pipeline file."""

from pathlib import Path

import pytest

from fanout.api.inputs import data_inputs, located, replaced, said
from fanout.api.pipelines import load
from fanout.errors import InputError

PIPELINE = """\
type: pipeline
inputs:
  files: {type: uri_folder, path: ./in}
  rate: 0.5
  limit: {type: integer, default: 3}
outputs:
  all: {type: uri_file, path: "azureml://datastores/blobs/paths/a/b.csv"}
  kept: {type: uri_folder}
jobs:
  one:
    type: command
    command: "true"
    inputs:
      files: ${{parent.inputs.files}}
    outputs:
      mine: {type: uri_file, path: ./mine.parquet}
      free: {type: uri_folder}
      all: ${{parent.outputs.all}}
      kept: ${{parent.outputs.kept}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pipeline.yml"
    path.write_text(PIPELINE)
    (tmp_path / "in").mkdir()
    return path


def test_inputs_that_are_data(file: Path) -> None:
    """Data is what has a type of data or a path."""
    assert data_inputs(file) == {"files"}


def test_relative_places_start_from_the_test_file() -> None:
    """Paths always, texts where data is meant; URIs and literals stay."""
    given = {"files": "data/in", "other": Path("x"), "bucket": "s3://b/k", "mode": "fast/slow", "n": 3}
    assert located(given, ["files", "bucket"], Path("/tests")) == {
        "files": Path("/tests/data/in"),
        "other": Path("/tests/x"),
        "bucket": "s3://b/k",
        "mode": "fast/slow",
        "n": 3,
    }


@pytest.mark.parametrize("value", ["true", "0.5", "007", "a: b", "ünï # no comment", "null"])
def test_text_stays_text(file: Path, value: str) -> None:
    """Whatever a text looks like in YAML, the pipeline gets it as it is."""
    pipeline = load(file, [f"description={said(value)}"])
    assert pipeline.description == value


def test_a_value_that_no_key_takes() -> None:
    """An error in one sentence; lists and mappings are values of keys."""
    assert replaced({"a.b": {"types": ["x"]}}) == ('a.b={"types": ["x"]}',)
    with pytest.raises(InputError, match="not a value of type set"):
        replaced({"a.b": {1}})
