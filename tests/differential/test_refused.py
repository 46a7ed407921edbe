"""Wrong pipeline files: ours is the clearer sentence, and it comes before anything starts."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from fanout.errors import SpecError
from fanout.pipeline.load import load_pipeline
from tests.differential.gather import PIPELINES
from tests.differential.refused import ROWS, Row

pytestmark = pytest.mark.xdist_group("azure-ai-ml")
WITH_PLACE = re.compile(r"pipeline\.yml:\d+:\d+: (?P<key>[\w.-]+( --\w+)?): (?P<said>.+)")
WHAT_IS_RIGHT = re.compile(
    r"expected |; there is '|; did you mean |must stand in|give the path|it takes |takes a value|keep one|"
    r"required input|there are |differ only|in a circle: "
)
LONGEST = 200
"""Characters of a sentence, its place included: three lines of a narrow terminal at most."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the rows name: data, code, components."""
    place = tmp_path_factory.mktemp("refused") / "here"
    shutil.copytree(PIPELINES, place)
    return place


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_ours_says_where_what_and_what_instead(folder: Path, row: Row) -> None:
    """One sentence for one mistake: file, line, column, key path, and what would be right."""
    file = folder / "pipeline.yml"
    file.write_text(row.text)
    with pytest.raises(SpecError) as caught:
        load_pipeline(file)
    [ours] = str(caught.value).replace(f"{folder}/", "").splitlines()
    assert ours == f"pipeline.yml:{row.ours}"
    parts = WITH_PLACE.fullmatch(ours)
    assert parts is not None
    assert WHAT_IS_RIGHT.search(parts["said"])
    assert len(ours) <= LONGEST


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_sdk_s_says_less(row: Row, answers: Any) -> None:
    """It takes the file and lets the run fail, or names no line, or names another key than the wrong one."""
    theirs = answers.refused[row.name]
    if row.azures is None:
        assert theirs is None
        return
    assert theirs is not None
    assert row.azures in theirs
    assert re.search(r"\.yml:\d+", theirs) is None
