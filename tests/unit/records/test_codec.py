"""The codec of records, on pipelines and on small records: equal after a round trip, or refused with the key path."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

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
    Step,
    StepOutput,
    Thresholds,
)
from fanout.records.codec import Added, As, Digest, Record, Seconds, Whole, as_json
from fanout.records.verdict import VerdictStatus

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
PIPELINES = Record(Pipeline, version=None, complete=True, indent=None)
PARALLEL = Record(ParallelStep, version=None, indent=None)
COMMANDS = Record(CommandStep, version=None, indent=None)
dump, load = PIPELINES.dump, PIPELINES.load
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
    if isinstance(step, CommandStep):
        assert COMMANDS.load(COMMANDS.dump(step), "step.json") == step
    else:
        assert PARALLEL.load(PARALLEL.dump(step), "step.json") == step


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
    again = COMMANDS.load(COMMANDS.dump(step), "step.json")
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
    with pytest.raises(DamagedRecordError, match=r"^run\.json: force_rerun is missing$"):
        load(json.dumps(fields).encode(), "run.json")


@dataclass(frozen=True)
class Inner:
    """A part of a record."""

    digest: Digest
    seconds: Seconds = 1.0


@dataclass(frozen=True)
class Outer:
    """A record with one of everything that records hold."""

    count: Whole
    by_number: Mapping[int, Inner] = field(default_factory=dict)
    pair: tuple[str, bool] | None = None
    many: tuple[Inner, ...] = ()
    status: VerdictStatus | None = None
    level: Literal["INFO", "DEBUG"] = "INFO"
    pattern: Annotated[re.Pattern[str] | None, As(lambda text, _: re.compile(text), lambda one: one.pattern)] = None
    later: Annotated[int, Added()] = 7


OUTERS = Record(Outer, constants={"size": 1000})
FULL = Outer(
    3,
    {2: Inner("a" * 64, 2.5)},
    ("x", True),
    (Inner("b" * 64), Inner("c" * 64)),
    VerdictStatus.FAILED,
    "DEBUG",
    re.compile("x+"),
    8,
)


def test_every_type_of_field_comes_back() -> None:
    """Numbers as keys, pairs, enumerations, choices, parts, and types with a form of their own."""
    assert OUTERS.load(OUTERS.dump(FULL), "outer.json") == FULL
    assert json.loads(OUTERS.dump(FULL))["version"] == 1


def with_field(path: str, value: object) -> bytes:
    fields = inner = json.loads(OUTERS.dump(FULL))
    *above, last = path.split(".")
    for name in above:
        inner = inner[int(name) if isinstance(inner, list) else name]
    inner[int(last) if isinstance(inner, list) else last] = value
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("version", 2, "version 2, this fanout reads version 1"),
        ("version", True, "version True, this fanout reads version 1"),
        ("size", 10, "size is 10, expected 1000"),
        ("count", -1, "count is -1, expected a whole number"),
        ("count", 1.0, "count is 1.0, expected a whole number"),
        ("by_number.2.digest", "../x", "by_number.2.digest is '../x', expected a SHA-256"),
        ("by_number.2.seconds", "1", "by_number.2.seconds is '1', expected seconds"),
        ("by_number.two", {}, "by_number is .*, expected an object by number"),
        ("pair", ["x"], r"pair is \['x'\], expected a list of 2"),
        ("pair.1", 1, "pair.1 is 1, expected bool"),
        ("many.1", None, "many.1 is None, expected an object"),
        ("many.1.more", 1, "many.1.more: this version of fanout knows no such field"),
        ("status", "Splendid", "status is 'Splendid', expected 'Completed' or 'Failed' or 'Canceled'"),
        ("level", "", "level is '', expected 'INFO' or 'DEBUG'"),
    ],
)
def test_damage_is_shown_with_its_key_path(path: str, value: object, message: str) -> None:
    """Whoever repairs a store sees which field of which object is wrong, and what would be right."""
    with pytest.raises(DamagedRecordError, match=rf"^runs/r/outer\.json: {message}"):
        OUTERS.load(with_field(path, value), "runs/r/outer.json")


def test_what_a_caller_expects_is_compared() -> None:
    """A record under the key of another one is refused."""
    assert OUTERS.load(OUTERS.dump(FULL), "outer.json", count=3) == FULL
    with pytest.raises(DamagedRecordError, match=r"^outer\.json: count is 3, expected 4$"):
        OUTERS.load(OUTERS.dump(FULL), "outer.json", count=4)


def test_a_field_that_was_added_may_be_missing() -> None:
    """Also of records that must be complete: an earlier version did not write it."""
    record = Record(Outer, complete=True)
    fields = json.loads(record.dump(FULL))
    del fields["later"]
    assert record.load(json.dumps(fields), "outer.json") == replace(FULL, later=7)
    del fields["level"]
    with pytest.raises(DamagedRecordError, match="level is missing"):
        record.load(json.dumps(fields), "outer.json")


def test_a_value_as_json() -> None:
    """Of a union, too: what digests are made of."""
    assert as_json(Step, STEPS[0])["inputs"]["none"] == {"value": None, "kind": "literal"}
