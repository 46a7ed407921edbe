"""The store, queues and nodes of the tests of runs, for the tests here, too."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.scheduler.conftest import failure, notes, pipeline, score, world

__all__ = ["failure", "notes", "pipeline", "score", "world"]


@pytest.fixture
def scored(score: Any, pipeline: Any, tmp_path: Path) -> Callable[..., Any]:
    """A pipeline with one parallel step that has a code folder, and lets later runs take over what it made."""
    (tmp_path / "src").mkdir(exist_ok=True)
    (tmp_path / "src" / "score.py").write_text("def run(b): return b\n")
    from fanout.pipeline.model import EntryTask

    task = EntryTask("score.py", code=str(tmp_path / "src"), append_row_to="rows")
    return lambda **settings: pipeline(score(task=task), **settings)


@pytest.fixture
def aged(world: Any) -> Callable[[float], None]:
    """Everything in the store was written so many seconds earlier."""

    def age(seconds: float) -> None:
        for path in (world.folder / "store").rglob("*"):
            if path.is_file():
                found = path.stat()
                os.utime(path, (found.st_atime - seconds, found.st_mtime - seconds))

    return age
