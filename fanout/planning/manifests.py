"""Manifests: the plan as it lies in the store, a thousand mini-batches a shard, and its summary (design, section 4).

Shards are created, never changed. Planning the same input again gives the same bytes, so a shard that is there already
either equals what would be written, or shows that the input has changed.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Annotated

from fanout.errors import DamagedRecordError, RunError
from fanout.records.codec import As, Digest, Large, Record, Whole
from fanout.records.messages import Pointer
from fanout.records.mini_batch import MiniBatch, decode, encode
from fanout.storage import keys
from fanout.storage.keys import StepRound

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SHARD_SIZE = 1000
PAGE = 4096
"""Bytes that a file system writes at once."""


@dataclass(frozen=True)
class Shard:
    """Mini-batches `number * SHARD_SIZE` and following, as their JSON lines; `items` where all of theirs are known.

    Of a new plan: `versions` of the items of each, where they were taken; `known` are mini-batches that an earlier run
    had, by index, as their indexes there; `taken` those of them that need no message.
    """

    number: int
    lines: tuple[str, ...]
    items: int | None = None
    versions: tuple[tuple[str, ...], ...] | None = None
    known: Mapping[int, int] = field(default_factory=dict)
    taken: Collection[int] = ()

    @property
    def first_index(self) -> int:
        """The index of its first mini-batch."""
        return self.number * SHARD_SIZE

    @cached_property
    def body(self) -> bytes:
        """What is stored: each line with its newline."""
        return "\n".join((*self.lines, "")).encode("ascii")

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of what is stored."""
        return hashlib.sha256(self.body).hexdigest()


def _as_text(recipe: object, _: str) -> str | None:
    return None if recipe is None else json.dumps(recipe)


def _as_object(recipe: str | None) -> object:
    return None if recipe is None else json.loads(recipe)


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """What is known of a plan once it is complete."""

    mini_batches: Whole
    items: Large | None  # None: not known without reading the data
    digest: Digest  # SHA-256 of the digests of all manifests
    recipe: Annotated[str | None, As(_as_text, _as_object)] = None  # as JSON; None for a list of files
    shard_digests: tuple[Digest, ...] = ()  # SHA-256 of each manifest

    @property
    def shards(self) -> int:
        """How many manifests there are."""
        return -(-self.mini_batches // SHARD_SIZE)

    def check(self, shard: Shard, key: str) -> Shard:
        """`shard` itself, when it is what was planned; else DamagedRecordError, naming `key`."""
        if shard.digest != self.shard_digests[shard.number]:
            raise DamagedRecordError(f"{key}: the manifest was altered since it was planned")
        return shard


def _check(summary: PlanSummary) -> None:
    if len(summary.shard_digests) != summary.shards:
        raise ValueError(f"it has {len(summary.shard_digests)} digests of {summary.shards} manifests")


SUMMARIES = Record(
    PlanSummary, constants={"shard_size": SHARD_SIZE}, refused="not the summary of a plan: ", check=_check
)


@dataclass(slots=True)
class Tally:
    """Gathers the summary of a plan, shard by shard."""

    mini_batches: int = 0
    items: int | None = 0
    _shard_digests: list[str] = field(default_factory=list)

    def add(self, shard: Shard) -> None:
        """Counts the next shard."""
        self.mini_batches += len(shard.lines)
        self.items = None if self.items is None or shard.items is None else self.items + shard.items
        self._shard_digests.append(shard.digest)

    def summary(self, recipe: str | None) -> PlanSummary:
        """The summary of what was added."""
        whole = hashlib.sha256("".join(self._shard_digests).encode("ascii")).hexdigest()
        return PlanSummary(self.mini_batches, self.items, whole, recipe, tuple(self._shard_digests))


def next_shard(batches: Iterator[MiniBatch], number: int) -> Shard:
    """The shard of the next mini-batches; one with fewer than SHARD_SIZE lines is the last."""
    taken = list(islice(batches, SHARD_SIZE))
    counts = [batch.items for batch in taken if batch.items is not None]
    items = sum(counts) if len(counts) == len(taken) else None
    versions = tuple(batch.versions for batch in taken) if taken and taken[0].versions else None
    known = {} if versions is None else {batch.index: batch.known for batch in taken if batch.known is not None}
    shard = Shard(number, tuple(map(encode, taken)), items, versions, known)
    _ = shard.digest  # now, in the thread that plans
    return shard


async def write_shard(store: "ObjectStore", at: StepRound, shard: Shard) -> None:
    """The shard is in the store; RunError when another one is there: the input changed since it was planned.

    It need not outlive a power cut before plan.json does (`make_shard_durable`): until then planning makes it again.
    """
    from fanout.storage.objects import put, read

    key = keys.manifest(at, shard.number)
    if (found := await read(store, key)) is not None and _is_cut_short(found, shard.body):
        await put(store, key, shard.body)
    else:
        await _create_once(store, key, shard.body, at, durable=False)


def _is_cut_short(found: bytes, body: bytes) -> bool:
    """Whether a power cut has left whole pages of a manifest, which happen to end with a line."""
    return 0 < len(found) < len(body) and len(found) % PAGE == 0 and body.startswith(found)


async def make_shard_durable(store: "ObjectStore", at: StepRound, shard: Shard) -> None:
    """A shard that was written, by this process or an earlier one, outlives a power cut."""
    from fanout.storage.folder import make_durable

    await make_durable(store, keys.manifest(at, shard.number))


async def write_summary(store: "ObjectStore", at: StepRound, summary: PlanSummary) -> None:
    """plan.json is in the store, which says that every shard is, and durable; RunError when it says something else."""
    await _create_once(store, keys.plan_json(at), SUMMARIES.dump(summary), at)


async def read_shard(store: "ObjectStore", at: StepRound, number: int, summary: PlanSummary) -> Shard:
    """A shard as it was planned, which `summary` tells; DamagedRecordError when it is missing or altered."""
    key = keys.manifest(at, number)
    shard = await find_shard(store, at, number)
    if shard is None:
        raise DamagedRecordError(f"{key}: is missing, though plan.json says that it was written")
    return summary.check(shard, key)


async def find_shard(store: "ObjectStore", at: StepRound, number: int) -> Shard | None:
    """A shard as it lies in the store, before the plan is complete too; None where there is none.

    DamagedRecordError when it holds anything but lines.
    """
    from fanout.storage.objects import read

    key = keys.manifest(at, number)
    body = await read(store, key)
    return None if body is None else Shard(number, tuple(_lines(body, key)))


async def read_line(store: "ObjectStore", pointer: Pointer) -> bytes:
    """One line by its place, as a message points to it; DamagedRecordError when it does not stand there any more."""
    import obstore

    from fanout.storage.objects import read_range, translated

    try:
        with translated("read", pointer.key):
            size = (await obstore.head_async(store, pointer.key))["size"]
    except FileNotFoundError as exc:
        raise DamagedRecordError(f"{pointer.key}: is missing, though a message points to it") from exc
    stop = min(pointer.start + pointer.length, size)  # a range that ends behind the object is an error of its own
    return pointer.check(await read_range(store, pointer.key, pointer.start, stop) or b"")


async def read_mini_batch(store: "ObjectStore", at: StepRound, index: int) -> MiniBatch:
    """One mini-batch by its index; DamagedRecordError when the plan has none of that index, or is damaged."""
    summary = await read_summary(store, at)
    if summary is None or index >= summary.mini_batches:
        raise DamagedRecordError(f"{keys.plan_json(at)}: the plan has no mini-batch {index}")
    number, place = divmod(index, SHARD_SIZE)
    shard = await read_shard(store, at, number, summary)
    key = keys.manifest(at, number)
    return check_index(decode(shard.lines[place], key), index, key)


def check_index(batch: MiniBatch, index: int, key: str) -> MiniBatch:
    """`batch` itself, when it has the index that its place says."""
    if batch.index != index:
        raise DamagedRecordError(f"{key}: expected mini-batch {index}, found {batch.index}")
    return batch


async def read_summary(store: "ObjectStore", at: StepRound) -> PlanSummary | None:
    """plan.json, or None while the plan is not complete; DamagedRecordError when it is no such record."""
    from fanout.storage.objects import read

    key = keys.plan_json(at)
    body = await read(store, key)
    return None if body is None else parse_summary(body, key)


def parse_summary(body: bytes, key: str) -> PlanSummary:
    """The summary in the text of a plan.json; DamagedRecordError, naming `key`, when it is anything else."""
    return SUMMARIES.load(body, key)


def _lines(body: bytes, source: str) -> Sequence[str]:
    if not body.endswith(b"\n"):
        raise DamagedRecordError(f"{source}: its last line is cut short")
    try:
        return body.decode("ascii").split("\n")[:-1]
    except UnicodeDecodeError as exc:
        raise DamagedRecordError(f"{source}: {exc}") from exc


async def _create_once(store: "ObjectStore", key: str, body: bytes, at: StepRound, *, durable: bool = True) -> None:
    from fanout.storage.objects import create, read

    if not await create(store, key, body, durable=durable) and await read(store, key) != body:
        raise RunError(  # not a verdict: with the input put back the run can go on
            f"{at.step}: its input has changed since run {at.run} planned it ({key} differs); "
            "put the input back as it was, or start a new run"
        )
