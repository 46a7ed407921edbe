"""What the settings of a step divide an input by."""

from collections.abc import Callable
from typing import Any

import pytest

from fanout.errors import InputError
from fanout.pipeline.model import MiniBatchSize, ParallelStep
from fanout.planning.division import ByBytes, ByCount, ByPartition, ByRows, Division, decide_division

Step = Callable[..., ParallelStep]


@pytest.mark.parametrize(
    ("settings", "table", "division"),
    [
        ({}, False, ByCount(1)),
        ({}, True, ByBytes(1024 * 1024)),
        ({"mini_batch_size": MiniBatchSize(5)}, False, ByCount(5)),
        ({"mini_batch_size": MiniBatchSize(0)}, False, ByCount(1)),
        ({"mini_batch_size": MiniBatchSize(0)}, True, ByBytes(1024 * 1024)),
        ({"mini_batch_size": MiniBatchSize(100)}, True, ByBytes(100)),
        ({"mini_batch_size": MiniBatchSize(10, "kb")}, True, ByBytes(10240)),
        ({"mini_batch_size": MiniBatchSize(10, "kb"), "mini_batch_rows": 7}, True, ByRows(7)),
        ({"mini_batch_size": MiniBatchSize(5), "partition_keys": ("Store",)}, False, ByPartition(("Store",))),
        ({"mini_batch_rows": 5, "partition_keys": ("Store",)}, True, ByPartition(("Store",))),
    ],
)
def test_decide_division(step: Step, settings: dict[str, Any], table: bool, division: Division) -> None:
    """Counts for files, bytes or rows for tables, and keys before everything else."""
    assert decide_division(step(**settings), table=table) == division


@pytest.mark.parametrize(
    ("settings", "table", "message"),
    [
        ({"mini_batch_size": MiniBatchSize(10, "kb")}, False, "score: mini_batch_size 10kb is a size.*list of files"),
        ({"mini_batch_rows": 10}, False, "score: mini_batch_rows needs a table"),
        ({"mini_batch_rows": 0}, True, "expected at least 1, got 0"),
    ],
)
def test_settings_that_do_not_fit(step: Step, settings: dict[str, Any], table: bool, message: str) -> None:
    """A size of bytes has no meaning for a list of files, nor have rows."""
    with pytest.raises(InputError, match=message):
        decide_division(step(**settings), table=table)
