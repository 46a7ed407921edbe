"""Paths of a test start from its file; outputs go to the folder of the run."""

from pathlib import Path

import pytest

from fanout.api.inputs import said
from fanout.api.pipelines import load
from fanout.testing.places import redirected

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


def test_outputs_go_to_the_folder_of_the_run(file: Path) -> None:
    """Those of the pipeline and those of a step that have a place; the file's name, so its format, stays."""
    places = redirected(load(file, []), Path("/run"))
    assert places == {
        "outputs.all.path": Path("/run/all/b.csv"),
        "outputs.kept.path": Path("/run/kept/kept"),
        "jobs.one.outputs.mine.path": Path("/run/one.mine/mine.parquet"),
    }
    moved = load(file, [f"{key}={said(place)}" for key, place in places.items()])
    assert {name: output.uri for name, output in moved.steps[0].outputs.items()} == {
        "mine": "file:///run/one.mine/mine.parquet",
        "free": None,
        "all": "file:///run/all/b.csv",
        "kept": "file:///run/kept/kept",
    }
