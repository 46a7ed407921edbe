"""What the planner's tests share: folders with tables in them, and steps."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from fanout.files import uris
from fanout.pipeline.model import EntryTask, ParallelStep

MakeTable = Callable[..., str]


@pytest.fixture
def step() -> Callable[..., ParallelStep]:
    """A parallel step with these settings."""
    plain = ParallelStep(name="score", task=EntryTask("score.py"), input_data="rows")

    def make(**settings: Any) -> ParallelStep:
        return replace(plain, **settings)

    return make


@pytest.fixture
def make_table(tmp_path: Path) -> MakeTable:
    """Writes files and an MLTable over them; gives the folder's URI."""

    def make(files: Mapping[str, bytes | str], *transformations: Any, paths: list[dict[str, str]] | None = None) -> str:
        for name, body in files.items():
            target = tmp_path / "table" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(body.encode() if isinstance(body, str) else body)
        content = {
            "type": "mltable",
            "paths": paths or [{"pattern": "./**/*.*"}],
            "transformations": [*transformations],
        }
        (tmp_path / "table" / "MLTable").write_text(yaml.safe_dump(content))
        return uris.from_path(tmp_path / "table")

    return make
