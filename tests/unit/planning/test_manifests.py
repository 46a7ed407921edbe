"""The plan as it lies in the store."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from obstore.store import MemoryStore

from fanout.errors import DamagedRecordError, RunError
from fanout.planning.manifests import (
    SHARD_SIZE,
    PlanSummary,
    Shard,
    Tally,
    next_shard,
    parse_summary,
    read_line,
    read_mini_batch,
    read_shard,
    read_summary,
    write_shard,
    write_summary,
)
from fanout.records.messages import Pointer
from fanout.records.mini_batch import MiniBatch, encode
from fanout.storage import keys
from fanout.storage.keys import StepRound

AT = StepRound("r", "s")

SUMMARY = PlanSummary(2500, 7, "d" * 64, '{"reader": null}', ("0" * 64, "1" * 64, "2" * 64))


def batches(count: int, items: int | None = 1) -> list[MiniBatch]:
    return [MiniBatch(n, files=(f"file:///{n}",), items=items) for n in range(count)]


def shard_of(*found: MiniBatch, number: int = 0) -> Shard:
    return next_shard(iter(found), number)


def test_shards_of_a_thousand() -> None:
    """Full shards until the last one; the summary counts them all and digests what their digests are."""
    rest, tally = iter(batches(2500)), Tally()
    shards = [next_shard(rest, number) for number in range(4)]
    assert [len(shard.lines) for shard in shards] == [SHARD_SIZE, SHARD_SIZE, 500, 0]
    assert [shard.first_index for shard in shards[:3]] == [0, 1000, 2000]
    for shard in shards[:3]:
        tally.add(shard)
    each = tuple(hashlib.sha256(shard.body).hexdigest() for shard in shards[:3])
    digest = hashlib.sha256("".join(each).encode()).hexdigest()
    assert tally.summary(None) == PlanSummary(2500, 2500, digest, None, each)
    assert tally.summary(None).shards == 3


def test_items_are_known_only_when_all_are() -> None:
    """One mini-batch of unknown size leaves the sum open."""
    assert shard_of(*batches(2), MiniBatch(2, items=None)).items is None
    tally = Tally()
    tally.add(shard_of(*batches(2)))
    tally.add(shard_of(*batches(2, items=None)))
    assert tally.summary(None).items is None


async def test_written_shards_are_read_again() -> None:
    """Whole, by line, and by index."""
    store, found = MemoryStore(), batches(1001)
    first, second = shard_of(*found[:1000]), shard_of(found[1000], number=1)
    tally = Tally()
    for shard in (first, second):
        await write_shard(store, AT, shard)
        tally.add(shard)
    await write_summary(store, AT, tally.summary(None))
    assert (await read_shard(store, AT, 1, tally.summary(None))).lines == second.lines
    assert await read_mini_batch(store, AT, 1000) == found[1000]
    pointer = Pointer.to(keys.manifest(AT, 0), len(first.lines[0]) + 1, first.lines[1])
    assert await read_line(store, pointer) == encode(found[1]).encode()
    with pytest.raises(DamagedRecordError, match="the plan has no mini-batch 1001"):
        await read_mini_batch(store, AT, 1001)


async def test_writing_again_is_no_error_unless_the_input_changed() -> None:
    """The same bytes are what planning again gives; others show that the input is not what it was."""
    store = MemoryStore()
    await write_shard(store, AT, shard_of(*batches(3)))
    await write_shard(store, AT, shard_of(*batches(3)))
    with pytest.raises(RunError, match=r"s: its input has changed since run r planned it .*00000\.jsonl differs"):
        await write_shard(store, AT, shard_of(*batches(4)))
    await write_summary(store, AT, SUMMARY)
    await write_summary(store, AT, SUMMARY)
    with pytest.raises(RunError, match="input has changed"):
        await write_summary(store, AT, replace(SUMMARY, digest="2" * 64))


async def test_summary_is_there_when_it_was_written() -> None:
    """None before, the same value after; the recipe is readable JSON in it."""
    store = MemoryStore()
    assert await read_summary(store, AT) is None
    await write_summary(store, AT, SUMMARY)
    assert await read_summary(store, AT) == SUMMARY
    stored = json.loads(bytes(store.get(keys.plan_json(AT)).bytes()))
    assert stored["recipe"] == {"reader": None}


GOOD = {
    "version": 1,
    "shard_size": 1000,
    "mini_batches": 3,
    "items": None,
    "digest": "0" * 64,
    "recipe": None,
    "shard_digests": ["1" * 64],
}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "Expecting value"),
        (b"[]", "expected an object"),
        (b"[" * 100_000, "recursion"),
        (json.dumps(GOOD | {"version": 2}).encode(), "version 2, this fanout reads version 1"),
        (json.dumps(GOOD | {"shard_size": 10}).encode(), "shard_size is 10"),
        (json.dumps(GOOD | {"mini_batches": -1}).encode(), "mini_batches is -1"),
        (json.dumps(GOOD | {"items": "3"}).encode(), "items is '3'"),
        (json.dumps(GOOD | {"mini_batches": 10**400}).encode(), "mini_batches is a number of very many digits"),
        (json.dumps(GOOD | {"digest": "../../x"}).encode(), "expected a SHA-256"),
        (json.dumps(GOOD | {"mini_batches": 3000}).encode(), "it has 1 digests of 3 manifests"),
        (json.dumps(GOOD | {"recipe": float("inf")}).encode(), "Infinity is not JSON"),
        (b'{"version": 1, "shard_size": 1000}', "mini_batches is missing"),
    ],
)
def test_damaged_summaries(body: bytes, reason: str) -> None:
    """The error names the key, and what is wrong with it."""
    with pytest.raises(DamagedRecordError, match=f"plan.json: not the summary of a plan: .*{reason}"):
        parse_summary(body, "plan.json")


async def test_damaged_manifests() -> None:
    """Missing, cut short, not text, or with other mini-batches than were planned: refused by its key."""
    store, key, shard = MemoryStore(), keys.manifest(AT, 0), shard_of(*batches(2))
    tally = Tally()
    tally.add(shard)
    summary = tally.summary(None)
    await write_summary(store, AT, summary)
    with pytest.raises(DamagedRecordError, match=r"00000\.jsonl: is missing"):
        await read_shard(store, AT, 0, summary)
    altered = shard.body.replace(b"0", b"1", 1)
    for body, reason in (
        (shard.body[:-3], "cut short"),
        (b"\xff\n", "ascii"),
        (altered, "altered since it was planned"),
        (shard.body * 2, "altered since it was planned"),
        (b"", "cut short"),
    ):
        store.put(key, body)
        with pytest.raises(DamagedRecordError, match=rf"00000\.jsonl.*{reason}"):
            await read_shard(store, AT, 0, summary)
        with pytest.raises(DamagedRecordError, match=rf"00000\.jsonl.*{reason}"):
            await read_mini_batch(store, AT, 1)


@pytest.mark.parametrize("spoil", [lambda b: b[:7], lambda b: b[:0], lambda b: b.replace(b"file", b"fils"), None])
async def test_a_line_that_is_not_what_a_message_points_to(spoil: Callable[[bytes], bytes] | None) -> None:
    """Missing, cut or altered: a node that follows the message says which manifest is damaged."""
    store, key, shard = MemoryStore(), keys.manifest(AT, 0), shard_of(*batches(2))
    if spoil is not None:
        store.put(key, spoil(shard.body))
    with pytest.raises(DamagedRecordError, match=r"00000\.jsonl.*(altered|is missing)"):
        await read_line(store, Pointer.to(key, len(shard.lines[0]) + 1, shard.lines[1]))
