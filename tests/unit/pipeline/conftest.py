"""Small pipeline files, written to a folder of their own and loaded."""

from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import dedent

import pytest

from fanout.errors import SpecError
from fanout.pipeline.load import load_pipeline
from fanout.pipeline.model import Pipeline

Load = Callable[..., Pipeline]
Refuse = Callable[..., list[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with what the pipelines of the tests name: code, data, a component's folder."""
    for name in ("src", "data", "table", "comp"):
        (tmp_path / name).mkdir()
    (tmp_path / "src" / "score.py").write_text("def run(mini_batch): return mini_batch\n")
    (tmp_path / "table" / "MLTable").write_text("paths: []\n")
    (tmp_path / "one.csv").write_text("1\n")
    for conda in (tmp_path / "conda.yml", tmp_path / "comp" / "conda.yml"):
        conda.write_text("channels: [conda-forge]\ndependencies: [pip]\n")
    return tmp_path


@pytest.fixture
def load(folder: Path) -> Load:
    """Write a pipeline file, and others by name, and load it."""

    def write_and_load(text: str, overrides: Sequence[str] = (), **files: str) -> Pipeline:
        for name, content in files.items():
            path = folder / name.replace("__", "/").replace("_yml", ".yml")
            path.write_text(dedent(content))
        path = folder / "pipeline.yml"
        path.write_text(dedent(text), encoding="utf-8")
        return load_pipeline(path, overrides)

    return write_and_load


@pytest.fixture
def refuse(load: Load, folder: Path) -> Refuse:
    """The problems of a pipeline file that must not load, a line each, without the folder."""

    def problems(text: str, overrides: Sequence[str] = (), **files: str) -> list[str]:
        with pytest.raises(SpecError) as caught:
            load(text, overrides, **files)
        return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]

    return problems
