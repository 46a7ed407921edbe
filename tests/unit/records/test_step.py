"""step.json: read back as it was written, or refused."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from obstore.store import MemoryStore

from fanout.errors import DamagedRecordError
from fanout.pipeline.model import (
    DataInput,
    DataType,
    EntryTask,
    InputMode,
    Limits,
    LiteralInput,
    MiniBatchSize,
    Output,
    RetrySettings,
    StepOutput,
    Thresholds,
)
from fanout.records.row_format import RowFormat, row_format
from fanout.records.step import BoundOutput, StepRecord, dump, load, read_record
from fanout.storage import keys
from fanout.storage.keys import StepRound


def test_round_trip(record: Callable[..., StepRecord]) -> None:
    """Every field of the step comes back with its type."""
    whole = record(
        RowFormat.CSV,
        inputs={
            "files": DataInput("file:///data", DataType.MLTABLE, InputMode.DIRECT),
            "model": StepOutput("train", "model", DataType.URI_FOLDER),
            "rate": LiteralInput(True),
            "note": LiteralInput("3"),
            "none": LiteralInput(None),
        },
        outputs={"out": Output(DataType.URI_FILE, uri="s3://b/out.csv")},
        task=EntryTask("score.py", "/code", "--rate ${{inputs.rate}}", append_row_to="out"),
        mini_batch_size=MiniBatchSize(10, "kb"),
        partition_keys=("store", "brand"),
        thresholds=Thresholds(1, 2, 33.3),
        retry_settings=RetrySettings(0, 0.5),
        limits=Limits(progress_update_timeout=None),
    )
    whole = replace(whole, code="a" * 64, recipe='{"a": 1}')
    assert load(dump(whole), "key") == whole


@pytest.mark.parametrize(
    "spoil",
    [
        lambda b: b[:-2],
        lambda b: b[:0],
        lambda b: b.replace(b'"version":1', b'"version":2'),
        lambda b: b.replace(b'"version":1', b'"version":1,"more":1'),
        lambda b: b.replace(b'"visibility":30.0', b'"visibility":NaN'),
        lambda b: b.replace(b'"visibility":30.0', b'"visibility":"30"'),
        lambda b: b.replace(b'"visibility":30.0', b'"visibility":-1.0'),
        lambda b: b.replace(b'"code":null', b'"code":"../../x"'),
        lambda b: b.replace(b'"round":1', b'"round":0'),
        lambda b: b.replace(b'"input_data":"files"', b'"input_data":"none"'),
    ],
)
def test_damaged_records_are_refused(record: Callable[..., StepRecord], spoil: Callable[[bytes], bytes]) -> None:
    """Truncated, empty or of another version: the error names the object."""
    with pytest.raises(DamagedRecordError, match=r"runs/r/s/step\.json"):
        load(spoil(dump(record())), "runs/r/s/step.json")


async def test_the_record_of_another_step_is_refused(record: Callable[..., StepRecord]) -> None:
    """A copy under another key would make a node work on what it was not asked for."""
    store, here = MemoryStore(), StepRound("r", "other")
    store.put(keys.step_json(here), dump(record()))
    with pytest.raises(DamagedRecordError, match=r"runs/r/other/step\.json: is about r/s"):
        await read_record(store, here)


def test_the_file_of_joined_rows_is_not_staged(record: Callable[..., StepRecord]) -> None:
    """User code writes into every output except the file that fanout itself writes; into a folder both may."""
    outputs = {"rows": BoundOutput("file:///rows.csv", DataType.URI_FILE), "plots": BoundOutput("file:///plots")}
    step = replace(record(), outputs=outputs)
    step = replace(step, step=replace(step.step, task=EntryTask("score.py", append_row_to="rows")))
    assert step.staged_outputs == ("plots",)
    both = replace(step, step=replace(step.step, task=EntryTask("score.py", append_row_to="plots")))
    assert both.staged_outputs == ("rows", "plots")


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        (None, RowFormat.NONE),
        ("file:///out/parallel_run_step.txt", RowFormat.TEXT),
        ("s3://b/out.CSV", RowFormat.CSV),
        ("s3://b/out.tsv", RowFormat.TSV),
        ("s3://b/out.jsonl", RowFormat.JSONL),
        ("s3://b/out.ndjson", RowFormat.JSONL),
        ("s3://b/out.parquet", RowFormat.PARQUET),
        ("s3://b/parquet", RowFormat.TEXT),
        ("s3://b.csv/out", RowFormat.TEXT),
    ],
)
def test_the_format_follows_from_the_name(uri: str | None, expected: RowFormat) -> None:
    """The extension decides, Azure's text is the default, and no output means no rows."""
    assert row_format(uri) is expected
