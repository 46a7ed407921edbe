from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fanout.cli.render.output import Paint
from fanout.cli.render.plan import plan_fields, plan_lines
from fanout.config.settings import Settings
from fanout.pipeline.model import DataInput, DataType, MiniBatchSize, Pipeline
from fanout.queries.plan import PlannedStep, UnplannedStep, look_ahead
from fanout.storage.access import Access


@pytest.fixture
def pipeline(steps: Any, tmp_path: Path) -> Pipeline:
    """`prepare`, `score` after it, and `direct`, whose ten files are there."""
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(10):
        (folder / f"{n}.txt").touch()
    data = DataInput(folder.as_uri(), DataType.URI_FOLDER)
    direct = replace(steps[1], name="direct", inputs={"files": data}, mini_batch_size=MiniBatchSize(3))
    return Pipeline("/p.yml", None, (*steps, direct))


def looked(pipeline: Pipeline, show: int = 1) -> list[PlannedStep | UnplannedStep]:
    return list(look_ahead(pipeline, Settings("file:///store"), Access(), show))


def test_a_step_whose_input_is_there_is_planned(pipeline: Pipeline, tmp_path: Path) -> None:
    """The first and last mini-batches, how many, their items, and what they would cost on AWS."""
    *_, direct = looked(pipeline)
    folder = tmp_path / "in"
    assert list(plan_lines(direct, Paint())) == [
        "direct: 4 mini-batches, 10 items",
        f"  input    {folder} (3 files a mini-batch)",
        f"        0  {folder}/0.txt; {folder}/1.txt; {folder}/2.txt",
        "  … 2 more …",
        f"        3  {folder}/9.txt",
        "  on AWS   4 messages, 3 requests to SQS and 3 to S3: less than $0.01",
    ]
    fields: Any = plan_fields(direct)
    assert (fields["mini_batches"], fields["requests"]["send"]) == (4, 1)


def test_steps_without_a_plan_say_why(pipeline: Pipeline) -> None:
    """Commands run once; what another step makes is planned when it is there."""
    prepare, score, _ = looked(pipeline)
    assert list(plan_lines(prepare, Paint())) == ["prepare: a command: runs once"]
    assert list(plan_lines(score, Paint())) == [
        "score: reads output files of step prepare; planned when that has ended"
    ]
    assert plan_fields(prepare)["planned"] is False


def test_nothing_is_shown_twice(pipeline: Pipeline) -> None:
    """First and last do not overlap, however many are asked for."""
    *_, direct = looked(pipeline, show=3)
    assert isinstance(direct, PlannedStep)
    assert [batch.index for batch in (*direct.first, *direct.last)] == [0, 1, 2, 3]
    assert not any("more …" in line for line in plan_lines(direct, Paint()))
