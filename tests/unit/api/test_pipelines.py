from pathlib import Path

import pytest

from fanout.api.pipelines import load, overrides_of
from fanout.errors import SpecError


def test_an_input_is_set_where_its_value_stands(pipeline: Path) -> None:
    """The path of data, the default of a declared literal, or the value itself."""
    assert overrides_of(pipeline, ["files=./other", "rate=0.7", "limit=5", "rate=a=b"]) == [
        f"inputs.files.path={Path.cwd()}/other",
        "inputs.rate=0.7",
        "inputs.limit.default=5",
        "inputs.rate=a=b",
    ]


def test_a_path_is_from_the_current_folder(pipeline: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the shell has completed it, wherever the pipeline file is; addresses and absolute paths are as given."""
    (folder / "deep/data").mkdir(parents=True)
    monkeypatch.chdir(folder / "deep")
    [score] = load(Path("../pipeline.yml"), [], ["files=data"]).steps
    assert getattr(score.inputs["data"], "uri", "") == (folder / "deep/data").as_uri()
    for given in ("s3://b/k", "azureml://datastores/d/paths/p", "/abs", "~/home"):
        assert overrides_of(pipeline, [f"files={given}"]) == [f"inputs.files.path={given}"]


def test_the_pipeline_has_the_value(pipeline: Path, folder: Path) -> None:
    """What was given is what the step reads."""
    (folder / "other").mkdir()
    [score] = load(pipeline, ["jobs.score.mini_batch_size=7"], ["files=other"]).steps
    assert getattr(score.inputs["data"], "uri", "") == (folder / "other").as_uri()
    assert getattr(score, "mini_batch_size").number == 7  # noqa: B009 - a parallel step


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("fils=x", "--input fils=x:1:1: pipeline.yml has no input 'fils'; did you mean 'files'?"),
        ("files", "--input files:1:1: expected a name, '=' and a value: --input threshold=0.5"),
    ],
)
def test_a_wrong_input_is_named(pipeline: Path, given: str, sentence: str) -> None:
    """An input that the file does not have would be lost silently."""
    with pytest.raises(SpecError) as caught:
        overrides_of(Path(pipeline.name), [given])
    assert str(caught.value) == sentence
