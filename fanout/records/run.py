"""run.json: what a run is, created once, the moment it exists: what resuming needs and the store does not say."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fanout import __version__
from fanout.advice import advised
from fanout.config.settings import Settings
from fanout.errors import DamagedRecordError, RunError
from fanout.pipeline import serialization
from fanout.pipeline.model import Pipeline
from fanout.pipeline.yaml.diagnostics import suggest
from fanout.records import fields as checked
from fanout.records.code_change import CodeChange, code_changes
from fanout.records.run_names import check_name
from fanout.records.step import Continued
from fanout.security.signature import Signer
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import create, list_names, read

if TYPE_CHECKING:
    from obstore.store import ObjectStore

MOST_MEANT = 5
"""Runs that are named when a name may mean several."""


@dataclass(frozen=True, slots=True)
class StepPlace:
    """Which round of a step counts in a round of the run, where that was planned, and which round it goes on from."""

    round: int = 1
    planned_in: int = 1
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
        """Where the step's manifests are, and its outputs when nobody says where to put them."""
        return StepRound(self.name, step, self.place(step).planned_in)

    def settings(self, here: Settings) -> Settings:
        """The settings `here` with the datastores the run began with, so that its outputs stay in one place."""
        return replace(here, datastores=self.datastores)


async def create_record(store: "ObjectStore", record: RunRecord) -> None:
    """The run exists from here on; RunError when there is one of this name already."""
    if not await try_create(store, record):
        raise RunError(
            f"there is a run named {record.name} already: see it with `{advised().status(record.name)}`, go on with it "
            f"with `{advised().resume(record.name)}`, or choose another name with --name"
        )


async def try_create(store: "ObjectStore", record: RunRecord) -> bool:
    """Whether the run is made by this call, or by one with an equal record; False when there is another one."""
    fields = {
        "version": record.version,
        "fanout": record.fanout,
        "name": record.name,
        "created": record.created,
        "code": dict(record.code),
        "datastores": dict(record.datastores),
        "message_key": record.message_key,
        "pipeline": json.loads(serialization.dump(record.pipeline)),
    }
    return await create(store, keys.run_json(record.name), json.dumps(fields, indent=1).encode())


async def open_round(store: "ObjectStore", record: RunRecord) -> None:
    """The round `record.round` of the run exists from here on; RunError when somebody else has opened it."""
    fields = {
        "version": record.version,
        "fanout": __version__,
        "round": record.round,
        "code": dict(record.code),
        "places": {step: asdict(place) for step, place in record.places.items()},
        "code_changes": record.code_changes,
    }
    if not await create(store, keys.redrive_json(record.name, record.round), json.dumps(fields, indent=1).encode()):
        raise RunError(
            f"run {record.name} is being redriven already: see it with `{advised().status(record.name)}`, or go on "
            f"with it with `{advised().resume(record.name)}`"
        )


async def load_record(store: "ObjectStore", name: str) -> RunRecord:
    """The run of this name, in its last round; RunError when there is none, or no run can have it."""
    record = await _first_round(store, name)
    while (later := await _next_round(store, record)) is not None:
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
    try:
        fields = checked.parse(body)
        if fields["version"] != 1 or fields["round"] != record.round + 1:
            raise ValueError(f"version {fields['version']}, round {fields['round']}")
        return replace(
            record,
            round=record.round + 1,
            code={step: checked.digest(digest, "code") for step, digest in fields["code"].items()},
            places={str(step): _place(place) for step, place in fields["places"].items()},
            code_changes=checked.whole(fields.get("code_changes", 0), "code_changes"),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise DamagedRecordError(f"{key}: {exc}") from exc


def _place(fields: Mapping[str, Any]) -> StepPlace:
    continues = fields["continues"]
    if continues is not None:
        chosen = continues["mini_batches"]
        continues = Continued(_number(continues["round"]), None if chosen is None else _mini_batches(chosen))
    return StepPlace(_number(fields["round"]), _number(fields["planned_in"]), continues)


def _number(value: object) -> int:
    return checked.whole(value, "round", least=1)


def _mini_batches(chosen: Sequence[object]) -> tuple[int, ...]:
    return tuple([checked.whole(index, "mini-batch") for index in chosen])


def _key(value: object) -> str | None:
    return None if value is None else checked.digest(value, "message_key")


def _same(value: object, name: str) -> str:
    if value != name:
        raise ValueError(f"it is about the run {value!r:.80}")
    return name


async def _first_round(store: "ObjectStore", name: str) -> RunRecord:
    key = keys.run_json(check_name(name))
    body = await read(store, key)
    if body is None:
        raise RunError(f"there is no run named {name} in this store; `{advised().list()}` shows those there are")
    try:
        fields = checked.parse(body)
        if fields["version"] != 1:
            raise ValueError(f"version {fields['version']}, this fanout reads version 1")
        return RunRecord(
            name=_same(fields["name"], name),
            pipeline=serialization.load(json.dumps(fields["pipeline"]).encode(), key),
            created=checked.seconds(fields["created"], "created"),
            code={step: checked.digest(digest, "code") for step, digest in fields["code"].items()},
            datastores=checked.texts(fields["datastores"], "datastores"),
            fanout=checked.text(fields["fanout"], "fanout"),
            message_key=_key(fields.get("message_key")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise DamagedRecordError(f"{key}: {exc}") from exc
