"""docs/how-to: each page is followed in a copy of the repository, step by step; what it makes works."""

import shutil
from pathlib import Path

import pytest

from tests import guides
from tests.guides import ROOT

PARTS = ("fanout", "handlers", "infra", "tests", "docs", "README.md", "CHANGELOG.md", "pyproject.toml")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository without its tools, its history and data, and the smallest pipeline in `hello`."""
    for name in PARTS:
        source = ROOT / name
        if source.is_file():
            shutil.copy(source, tmp_path / name)
        else:
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "stores"))
    guides.hello(tmp_path / "hello")
    return tmp_path


def _followed(page: str, copy: Path) -> list[str]:
    with guides.shell(copy, {"PYTHONPATH": str(copy), "COLUMNS": "80"}) as shell:
        return guides.follow((ROOT / "docs" / "how-to" / page).read_text(), shell)


def test_a_queue(copy: Path) -> None:
    """It passes the contract suite, and nodes work over it."""
    suite, *_, run = _followed("add-queue.md", copy)
    assert " passed" in suite
    assert "all 2 mini-batches succeeded" in run
    assert (copy / "hello" / "greetings.txt").read_text() == "Hello, Ada!\nHello, Grace!\nHello, Katherine!\n"
    assert (copy / "queues").is_dir()


def test_a_reader(copy: Path) -> None:
    """Types are complete, its tests pass, and a pipeline reads a table with it."""
    _, types, suite, *_, run = _followed("add-reader.md", copy)
    assert "Success" in types
    assert "2 passed" in suite
    assert "Completed" in run
    assert (copy / "hello" / "rows.csv").read_text() == "city\nBergen\nOslo\n"


def test_an_engine(copy: Path) -> None:
    """Its nodes do the work of a run."""
    suite, run = _followed("add-engine.md", copy)
    assert "8 passed" in suite
    assert "all 2 mini-batches succeeded" in run


def test_a_verb(copy: Path) -> None:
    """It is in the help and prints what it promises."""
    suite, _, outputs, help_ = _followed("add-verb.md", copy)
    assert "1 passed" in suite
    assert outputs == f"greet.greetings\t{copy}/hello/greetings.txt\n"
    assert "  outputs " in help_
