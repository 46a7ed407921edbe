"""What Azure's SDK prints and dumps of a pipeline is a pipeline file that fanout takes, with the same steps."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from fanout.pipeline.load import load_pipeline
from fanout.pipeline.model import DataInput, Pipeline
from tests.differential.gather import PIPELINES, ask

pytestmark = pytest.mark.xdist_group("azure-ai-ml")
NAMES = sorted(file.name for file in PIPELINES.glob("*.yml") if file.stem not in ("ours", "old_spellings"))
"""Not those with keys of ours; and not the old spellings, of which the SDK makes inputs of type string."""


@pytest.fixture(scope="module")
def dumped(tmp_path_factory: pytest.TempPathFactory, answers: Any) -> Path:
    """A folder with the files, and beside each what the SDK makes of it; `answers` skips where there is no SDK."""
    place = tmp_path_factory.mktemp("dumped") / "here"
    shutil.copytree(PIPELINES, place)
    # The SDK writes `code: ../src` of a component file as it stands there, whatever folder the dump is in.
    shutil.copytree(PIPELINES / "src", place.parent / "src")
    ask([place / name for name in NAMES], script="dump.py")
    return place


@pytest.mark.parametrize("how", ["printed", "dumped"])
@pytest.mark.parametrize("name", NAMES)
def test_it_is_the_same_pipeline(dumped: Path, name: str, how: str) -> None:
    """Steps, inputs, outputs and commands; what is new are defaults that the SDK writes out."""
    assert shape(load_pipeline(dumped / f"{how}-{name}")) == shape(load_pipeline(dumped / name))


def shape(pipeline: Pipeline) -> dict[str, Any]:
    return {
        step.name: (step.kind, {n: place(i) for n, i in step.inputs.items()}, sorted(step.outputs), step.after)
        for step in pipeline.steps
    }


def place(given: Any) -> str:
    return given.uri if isinstance(given, DataInput) else str(getattr(given, "value", given.kind))
