"""run.json: what a run is, created once, the moment it exists: what resuming needs and the store does not say."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated

from fanout.advice import advised
from fanout.config.settings import Settings
from fanout.errors import RunError
from fanout.pipeline.model import Pipeline
from fanout.pipeline.yaml.diagnostics import suggest
from fanout.records.code_change import CodeChange, code_changes
from fanout.records.codec import Complete, Digest, Positive, Record, Seconds, Text, Whole
from fanout.records.run_names import check_name
from fanout.records.step import Continued
from fanout.security.signature import Signer
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import create, delete, list_names, read
from fanout.version import __version__

if TYPE_CHECKING:
    from obstore.store import ObjectStore

MOST_MEANT = 5
"""Runs that are named when a name may mean several."""


@dataclass(frozen=True, slots=True)
class StepPlace:
    """Which round of a step counts in a round of the run, where that was planned, and which round it goes on from."""

    round: Positive = 1
    planned_in: Positive = 1
    continues: Continued | None = None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run: its name, its pipeline, and the code snapshot of each step (digest) that has code.

    `round` is 1 for the run as it was started; a redrive opens the next one, and says in `places` what becomes of each
    step in it. `code` is that of now: it includes what `fanout resume --new-code` has brought.
    """

    name: str
    pipeline: Pipeline
    created: float  # epoch seconds
    code: Mapping[str, str] = field(default_factory=dict)
    datastores: Mapping[str, str] = field(default_factory=dict)
    fanout: str = __version__
    version: int = 1
    round: int = 1
    places: Mapping[str, StepPlace] = field(default_factory=dict)
    code_changes: int = 0  # changes of the code while the run was under way; `code` includes them
    changes: tuple[CodeChange, ...] = ()  # those of this round
    message_key: str | None = field(default=None, repr=False)  # signs orders and ticks; None: begun before it had one

    @property
    def signer(self) -> Signer:
        """What signs and checks messages about the run as a whole: orders and ticks."""
        return Signer(self.message_key)

    def place(self, step: str) -> StepPlace:
        """Which round of the step counts."""
        return self.places.get(step, StepPlace())

    def at(self, step: str) -> StepRound:
        """Where everything of the step is in the store."""
        return StepRound(self.name, step, self.place(step).round)

    def planned_at(self, step: str) -> StepRound:
        """Where the step's manifests are, and its outputs when the pipeline names no place for them."""
        return StepRound(self.name, step, self.place(step).planned_in)

    def settings(self, here: Settings) -> Settings:
        """The settings `here` with the datastores the run began with, so that its outputs stay in one place."""
        return replace(here, datastores=self.datastores)


@dataclass(frozen=True, slots=True)
class StoredRun:
    """run.json: the run as it was started."""

    name: Text
    created: Seconds
    code: Mapping[str, Digest]
    datastores: Mapping[str, str]
    pipeline: Annotated[Pipeline, Complete()]
    fanout: Text
    message_key: Digest | None = None


@dataclass(frozen=True, slots=True)
class StoredRound:
    """redrive-002.json and following: a later round of it."""

    round: Positive
    code: Mapping[str, Digest]
    places: Mapping[str, StepPlace]
    code_changes: Whole = 0
    fanout: Text = __version__


RUNS = Record(StoredRun)
ROUNDS = Record(StoredRound)


async def create_record(store: "ObjectStore", record: RunRecord) -> None:
    """The run exists from here on; RunError when there is one of this name already."""
    if not await try_create(store, record):
        raise RunError(
            f"there is a run named {record.name} already: see it with `{advised().status(record.name)}`, go on with it "
            f"with `{advised().resume(record.name)}`, or choose another name"
        )


async def try_create(store: "ObjectStore", record: RunRecord) -> bool:
    """Whether the run is made by this call, or by one with an equal record; False when there is another one.

    RunError while an earlier run of this name is being removed.
    """
    await _check_not_removed(store, record.name)
    stored = StoredRun(
        name=record.name,
        created=record.created,
        code=record.code,
        datastores=record.datastores,
        fanout=record.fanout,
        message_key=record.message_key,
        pipeline=record.pipeline,
    )
    created = await create(store, keys.run_json(record.name), RUNS.dump(stored))
    if created and await read(store, keys.removal(record.name)) is not None:
        await delete(store, keys.run_json(record.name))
        raise _being_removed(record.name)
    return created


async def open_round(store: "ObjectStore", record: RunRecord) -> None:
    """Creates the round `record.round` of the run. Raises RunError when another command has opened it, or removes it.

    The round is written before this looks for a removal, which is noted before that looks for another round.
    """
    stored = StoredRound(record.round, record.code, record.places, record.code_changes)
    if not await create(store, keys.redrive_json(record.name, record.round), ROUNDS.dump(stored)):
        raise RunError(
            f"run {record.name} is being redriven already: see it with `{advised().status(record.name)}`, or go on "
            f"with it with `{advised().resume(record.name)}`"
        )
    await _check_not_removed(store, record.name)


async def _check_not_removed(store: "ObjectStore", name: str) -> None:
    if await read(store, keys.removal(name)) is not None:
        raise _being_removed(name)


def _being_removed(name: str) -> RunError:
    return RunError(
        f"run {name} is being removed; where that was cut off, `{advised().remove(name)}` finishes it, then try again"
    )


async def load_record(store: "ObjectStore", name: str, round_: int | None = None) -> RunRecord:
    """The run of this name, in its last round, or in `round_` if there is that; RunError when there is no such run."""
    record = await _first_round(store, name)
    while record.round != round_ and (later := await _next_round(store, record)) is not None:
        record = later
    return with_changes(record, await code_changes(store, name, record.code_changes))


def with_changes(record: RunRecord, changes: tuple[CodeChange, ...]) -> RunRecord:
    """The record after these changes of its code."""
    if not changes:
        return record
    code = dict(record.code)
    for change in changes:
        code |= {step: digest for step, digest in change.code.items() if step in code}
    return replace(record, code=code, code_changes=changes[-1].number, changes=(*record.changes, *changes))


async def full_name(store: "ObjectStore", name: str) -> str:
    """The run that `name` means: the run of this name, or the only one whose name begins so.

    RunError names those that it may be, or the nearest.
    """
    if await read(store, keys.run_json(check_name(name))) is not None:
        return name
    names = await list_names(store, keys.RUNS)
    meant = [found for found in names if found.startswith(name)]
    if len(meant) == 1:
        return meant[0]
    if meant:
        more = f" and {len(meant) - MOST_MEANT} more" if len(meant) > MOST_MEANT else ""
        raise RunError(f"{len(meant)} runs have names that begin with {name}: {', '.join(meant[:MOST_MEANT])}{more}")
    hint = suggest(name, names) if names else ""
    raise RunError(
        f"there is no run named {name} in this store{hint or f'; `{advised().list()}` shows those there are'}"
    )


async def signer_of(store: "ObjectStore", name: str) -> Signer | None:
    """What signs messages about the run; None when there is no run of this name."""
    try:
        return (await _first_round(store, name)).signer
    except RunError:
        return None


async def check_signature(store: "ObjectStore", name: str, body: str) -> None:
    """ForgedMessageError unless `body` was sent by the run of this name; RunError when there is none."""
    (await _first_round(store, name)).signer.check(body)


async def _next_round(store: "ObjectStore", record: RunRecord) -> RunRecord | None:
    key = keys.redrive_json(record.name, record.round + 1)
    body = await read(store, key)
    if body is None:
        return None
    found = ROUNDS.load(body, key, round=record.round + 1)
    return replace(record, round=found.round, code=found.code, places=found.places, code_changes=found.code_changes)


async def _first_round(store: "ObjectStore", name: str) -> RunRecord:
    key = keys.run_json(check_name(name))
    body = await read(store, key)
    if body is None:
        raise RunError(f"there is no run named {name} in this store; `{advised().list()}` shows those there are")
    found = RUNS.load(body, key, name=name)
    return RunRecord(
        name=name,
        pipeline=found.pipeline,
        created=found.created,
        code=found.code,
        datastores=found.datastores,
        fanout=found.fanout,
        message_key=found.message_key,
    )
