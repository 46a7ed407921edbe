"""Pipelines in run.json: equal after a round trip, and never silently something else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.errors import DamagedRecordError
from fanout.pipeline.model import (
    CommandStep,
    DataInput,
    DataType,
    EntryTask,
    Environment,
    InputMode,
    Limits,
    LiteralInput,
    MiniBatchSize,
    Output,
    OutputMode,
    ParallelStep,
    Pipeline,
    RetrySettings,
    StepOutput,
    Thresholds,
)
from fanout.pipeline.serialization import dump, dump_step, load, load_step

STEPS = (
    CommandStep(
        name="prepare",
        command="echo ${{inputs.x}}",
        inputs={
            "x": DataInput("file:///x", DataType.MLTABLE, InputMode.EVAL_MOUNT),
            "none": LiteralInput(None),
            "yes": LiteralInput(True),
            "one": LiteralInput(1),
            "float": LiteralInput(1.0),
            "text": LiteralInput("1"),
        },
        outputs={"o": Output(DataType.URI_FILE, OutputMode.UPLOAD, "s3://b/x", "final")},
        environment=Environment("n", "i", "/c.yml"),
        timeout=5.5,
    ),
    ParallelStep(
        name="score",
        task=EntryTask("score.py", "/src", "--a 'ü' ${{inputs.x}}", "out"),
        input_data="files",
        inputs={"files": StepOutput("prepare", "o", DataType.URI_FOLDER)},
        mini_batch_size=MiniBatchSize(10, "kb"),
        partition_keys=("a", "b"),
        thresholds=Thresholds(1, 2, 3.5),
        retry_settings=RetrySettings(0, 0.5),
        limits=Limits(1, 2, 3),
        environment_variables={"A": "1"},
        depends_on=("prepare",),
        copy_logs_to_parent=True,
    ),
)
PIPELINE = Pipeline("/p.yml", "name", STEPS, tags={"a": "b"}, notices=("one",))


def test_a_pipeline_is_equal_after_a_round_trip() -> None:
    """Types of literals, kinds of inputs and steps, tuples and all."""
    again = load(dump(PIPELINE), "run.json")
    assert again == PIPELINE
    assert dump(again) == dump(PIPELINE)
    values = [i.value for i in again.steps[0].inputs.values() if isinstance(i, LiteralInput)]
    assert [type(value) for value in values] == [type(None), bool, int, float, str]


@pytest.mark.parametrize("step", STEPS, ids=["command", "parallel"])
def test_a_step_is_equal_after_a_round_trip(step: CommandStep | ParallelStep) -> None:
    """For step.json, which a node reads."""
    assert load_step(dump_step(step), "step.json") == step


scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.dictionaries(texts, scalars | texts, max_size=5), texts, st.floats(0.1, 1e6))
def test_any_literal_survives(
    literals: dict[str, str | int | float | bool | None], command: str, timeout: float
) -> None:
    """Value and type."""
    inputs = {name: LiteralInput(value) for name, value in literals.items()}
    step = CommandStep(name="a", command=command, inputs=inputs, timeout=timeout)
    again = load_step(dump_step(step), "step.json")
    assert again == step
    assert repr(again) == repr(step)


def changed(**changes: object) -> bytes:
    return json.dumps({**json.loads(dump(PIPELINE)), **changes}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        dump(PIPELINE)[:-1],
        dump(PIPELINE) + b"x",
        dump(PIPELINE).replace(b'"kind":"data"', b'"kind":"date"'),
        dump(PIPELINE).replace(b'"mltable"', b'"mltabel"'),
        changed(extra=1),
        changed(continue_on_step_failure="yes"),
        changed(steps=None),
        b"[" * 10_000,
    ],
)
def test_a_damaged_record_is_told_with_its_source(content: bytes) -> None:
    """Truncated, altered, of another version, or no JSON."""
    with pytest.raises(DamagedRecordError, match=r"^runs/r/run\.json: "):
        load(content, "runs/r/run.json")


def test_a_field_that_is_missing_is_damage_too() -> None:
    """A default must not stand in for what was lost."""
    fields = json.loads(dump(PIPELINE))
    del fields["force_rerun"]
    with pytest.raises(DamagedRecordError, match="lacks some"):
        load(json.dumps(fields).encode(), "run.json")
