"""Conda files: what they ask for, in the forms that people write, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from fanout.errors import SpecError
from fanout.pipeline.environment import python_specifier
from fanout.pipeline.load import load_pipeline
from fanout.pipeline.model import Environment

STEP = """\
type: pipeline
jobs:
  say:
    command: echo
    environment: {image: x, conda_file: ./conda.yml}
"""


def _environment(folder: Path, conda: str) -> Environment:
    (folder / "conda.yml").write_text(conda)
    (folder / "pipeline.yml").write_text(STEP)
    [step] = load_pipeline(folder / "pipeline.yml").steps
    return step.environment


@pytest.mark.parametrize(
    ("written", "specifier"),
    [
        ("", None),
        ("=3.8", "==3.8.*"),
        ("3.8", "==3.8.*"),
        ("=3.8.*", "==3.8.*"),
        ("==3.8.5", "==3.8.5"),
        ("=3.8.5=h357f687_0", "==3.8.5.*"),
        (">=3.9,<3.12", ">=3.9,<3.12"),
        (">= 3.9", ">=3.9"),
        ("*", None),
    ],
)
def test_versions_of_python(written: str, specifier: str | None) -> None:
    """As conda writes them, in the form that packaging understands."""
    assert python_specifier(written) == specifier


def test_a_whole_file(tmp_path: Path) -> None:
    """Python, pip's lines with files of requirements read in, and the packages that are conda's own."""
    (tmp_path / "more.txt").write_text("# a comment\npillow>=11 # another\n\n--extra-index-url \\\n  https://x.test\n")
    conda = """\
name: model
channels: [conda-forge]
variables: {A: b}
dependencies:
  - python=3.11
  - pip=23.0
  - conda-forge::cudatoolkit=11.1
  - pip:
      - scikit-learn==1.5.1
      - -r more.txt
"""
    assert _environment(tmp_path, conda) == Environment(
        image="x",
        conda_file=str(tmp_path / "conda.yml"),
        python="==3.11.*",
        pip=("scikit-learn==1.5.1", "pillow>=11", "--extra-index-url    https://x.test"),
        conda=("conda-forge::cudatoolkit=11.1",),
    )


def test_one_written_into_the_pipeline_file(tmp_path: Path) -> None:
    """Azure takes a mapping in place of a path."""
    (tmp_path / "pipeline.yml").write_text(
        STEP.replace("./conda.yml", "{dependencies: ['python=3.11', {pip: [mlflow]}]}")
    )
    [step] = load_pipeline(tmp_path / "pipeline.yml").steps
    assert (step.environment.python, step.environment.pip) == ("==3.11.*", ("mlflow",))


@pytest.mark.parametrize(
    "line",
    [
        "azure-mgmt-authorization==3.0.0",
        "azure-mgmt-authorization=3.0",
        "azure-authorization>=3,<4",
    ],
)
def test_names_of_packages_are_no_credentials(tmp_path: Path, line: str) -> None:
    """A word that announces a credential may be part of a name."""
    assert _environment(tmp_path, f'dependencies: [{{pip: ["{line}"]}}]\n').pip == (line,)


@pytest.mark.parametrize(
    ("conda", "problem"),
    [
        ("dependencies: pip\n", "conda.yml:1:15: dependencies: expected a list of packages, found 'pip'"),
        ("dependencies: [[a]]\n", "expected a package of conda, or a mapping with pip, found a list"),
        ("dependencies: [{npm: [a]}]\n", "expected a mapping with pip alone"),
        ("dependencies: [{pip: [-r gone.txt]}]\n", "gone.txt' cannot be read"),
        ("dependencies: [{pip: ['--index-url https://me:hunter22@x.test']}]\n", "holds a credential"),
        ("- a\n", "expected a mapping, found a list"),
    ],
)
def test_what_is_refused(tmp_path: Path, conda: str, problem: str) -> None:
    """With the place in the conda file, or that of its name."""
    with pytest.raises(SpecError) as caught:
        _environment(tmp_path, conda)
    assert problem in str(caught.value)
    assert "hunter22" not in str(caught.value)


def test_files_of_requirements_that_name_each_other(tmp_path: Path) -> None:
    """An end is made of it."""
    (tmp_path / "a.txt").write_text("-r a.txt\n")
    with pytest.raises(SpecError, match="name each other more than 5 deep"):
        _environment(tmp_path, "dependencies: [{pip: [-r a.txt]}]\n")


def test_a_file_that_is_not_there(tmp_path: Path, refuse: Any) -> None:
    """Named with its path, at the key that names it."""
    [problem] = refuse(STEP.replace("conda.yml", "gone.yml"))
    assert problem.startswith("pipeline.yml:5:")
    assert "there is no conda file" in problem
