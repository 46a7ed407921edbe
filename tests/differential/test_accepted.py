"""What fanout takes, Azure takes too, but for the keys that are ours (portable.py lists them)."""

from pathlib import Path
from typing import Any

import pytest

from fanout.pipeline.load import load_pipeline
from tests.differential.gather import PIPELINES
from tests.differential.portable import OURS, OURS_ON_A_STEP, OURS_ON_AN_INPUT

pytestmark = pytest.mark.xdist_group("azure-ai-ml")


@pytest.mark.parametrize("file", sorted(PIPELINES.glob("*.yml")), ids=lambda file: file.stem)
def test_a_pipeline_of_every_shape(file: Path, answers: Any) -> None:
    """The files in pipelines/ hold what the reference says of pipeline files; fanout and the SDK take each."""
    load_pipeline(file)
    assert answers.accepted[f"tests/differential/pipelines/{file.name}"] is None


def test_every_pipeline_of_the_repository(answers: Any) -> None:
    """Examples, files of tests, and texts in tests: those that fanout takes, the SDK takes."""
    said = {label: sentence for label, sentence in answers.accepted.items() if sentence is not None}
    assert said == {}
    assert {"examples/digits/pipeline.yml", "examples/flights/pipeline.yml"} <= answers.accepted.keys()
    assert len(answers.accepted) >= 25


def test_our_keys_are_used_in_one_of_them() -> None:
    """A key in the list of ours that no file has would be one that nobody tries."""
    text = (PIPELINES / "ours.yml").read_text()
    assert [key for key in (*OURS, *OURS_ON_A_STEP, *OURS_ON_AN_INPUT) if f"{key}:" not in text] == []
