"""What is taken of messages that are not signed: what the plan holds."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from obstore.store import MemoryStore

from fanout.errors import ForgedMessageError
from fanout.node.dispatch.plan_check import PlanCheck, plan_check
from fanout.planning.manifests import SHARD_SIZE, Shard, write_shard
from fanout.records import mini_batch
from fanout.records.messages import Message, Pointer
from fanout.records.mini_batch import MiniBatch
from fanout.records.parts import ItemRange
from fanout.records.step import StepRecord
from fanout.security.signature import new_key
from fanout.storage import keys

FILES = tuple(f"file:///data/{number}" for number in range(3))
LINES = tuple(mini_batch.encode(MiniBatch(index, FILES, items=3)) for index in (SHARD_SIZE, SHARD_SIZE + 1))


@pytest.fixture
def kept(record: Callable[..., StepRecord]) -> StepRecord:
    """A step that isolates failures, begun without a key; two retries."""
    found = record()
    return replace(found, step=replace(found.step, isolate_failures=True), message_key=None)


@pytest.fixture
async def check(kept: StepRecord) -> PlanCheck:
    """Over a plan whose second manifest has two mini-batches."""
    store = MemoryStore()
    await write_shard(store, kept.at, Shard(1, LINES))
    return PlanCheck(kept, store)


def _message(kept: StepRecord, **changes: Any) -> Message:
    message = Message(kept.at, SHARD_SIZE + 1, 0, line=LINES[1])
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def _pointer(kept: StepRecord) -> Pointer:
    return Pointer.to(keys.manifest(kept.at, 1), len(LINES[0]) + 1, LINES[1])


async def test_what_was_planned_passes(check: PlanCheck, kept: StepRecord) -> None:
    """With its line or the pointer to it, a first try or a later one, whole or in part."""
    for part in (None, ItemRange(0, 1), ItemRange(1, 3)):
        for attempt in range(kept.step.retry_settings.max_retries + 1):
            await check.check(_message(kept, attempt=attempt, part=part))
            await check.check(_message(kept, attempt=attempt, part=part, line=None, pointer=_pointer(kept)))


@pytest.mark.parametrize(
    "changes",
    [
        {"index": 99_999},
        {"index": SHARD_SIZE + 2},
        {"index": 0},
        {"index": SHARD_SIZE},
        {"line": LINES[1].replace("/data/0", "/etc/hostname")},
        {"line": LINES[0]},
        {"attempt": 99},
        {"part": ItemRange(0, 4)},
        {"part": ItemRange(7, 8)},
    ],
    ids=str,
)
async def test_what_was_not_planned_is_refused(check: PlanCheck, kept: StepRecord, changes: dict[str, Any]) -> None:
    """Other mini-batches, other data, more tries, parts that it does not have."""
    with pytest.raises(ForgedMessageError, match=r"mini-batch \d+: "):
        await check.check(_message(kept, **changes))


@pytest.mark.parametrize("change", [{"key": "runs/other"}, {"start": 0}, {"length": 5}, {"crc": 1}], ids=str)
async def test_a_pointer_leads_into_the_plan(check: PlanCheck, kept: StepRecord, change: dict[str, Any]) -> None:
    """No other object of the store, and no other place in the manifest."""
    with pytest.raises(ForgedMessageError, match="its place in the plan"):
        await check.check(_message(kept, line=None, pointer=replace(_pointer(kept), **change)))


async def test_parts_only_where_failures_are_isolated(check: PlanCheck, kept: StepRecord) -> None:
    """A step that never splits has none."""
    check._record = replace(kept, step=replace(kept.step, isolate_failures=False))
    with pytest.raises(ForgedMessageError, match="has no items 0 to 1"):
        await check.check(_message(kept, part=ItemRange(0, 2)))


def test_signed_messages_need_no_comparison(kept: StepRecord) -> None:
    """The key is in the store, and so is the plan."""
    assert plan_check(replace(kept, message_key=new_key()), MemoryStore()) is None
    assert plan_check(kept, MemoryStore()) is not None
