"""What a trigger keeps in the store: which run an object belongs to, the starts under way, and the dead letters.

triggers/<trigger>/objects/<identity>     the name of the run that this object version belongs to; created once
triggers/<trigger>/starts/<run>.json      the run is to be started, or is not over; removed when it is
triggers/<trigger>/unstarted/<name>.json  what could not be started, and why
triggers/<trigger>/arrivals/<digest>/     the list of the objects that a run gets
triggers/<trigger>/copies/<run>/          copies of objects that it cannot read in their place
triggers/<trigger>/own/                   where its runs write
"""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fanout.errors import DamagedRecordError
from fanout.records import fields as checked
from fanout.storage import keys
from fanout.storage.objects import create, delete, list_names, put, read
from fanout.tasks import each
from fanout.triggers.event import ObjectEvent, event_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore


@dataclass(frozen=True, slots=True)
class StartRecord:
    """A run that is to be started, for those of `events` whose objects belong to it."""

    run: str
    events: tuple[ObjectEvent, ...]


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: objects for which no run is started, and why.

    `gone`: there is nothing left to start a run for. Else it can be tried again.
    """

    name: str
    reason: str
    at: float  # epoch seconds
    events: tuple[ObjectEvent, ...] = ()
    gone: bool = False


@dataclass(frozen=True, slots=True)
class TriggerRecords:
    """The records of one trigger."""

    store: "ObjectStore"
    trigger: str

    async def runs_of(self, events: Sequence[ObjectEvent]) -> list[str | None]:
        """The run that each object version belongs to; None when it belongs to none yet."""
        return await each(self._run_of, events)

    async def claim(self, events: Sequence[ObjectEvent], run: str) -> list[str]:
        """Each object version belongs to a run, from here on and for good: to `run`, unless somebody was faster.

        Returns the run that it belongs to, in the order of `events`.
        """

        async def one(event: ObjectEvent) -> str:
            key = keys.trigger_objects(self.trigger, event.identity)
            return run if await create(self.store, key, run.encode()) else await self._run_of(event) or run

        return await each(one, events)

    async def _run_of(self, event: ObjectEvent) -> str | None:
        body = await read(self.store, keys.trigger_objects(self.trigger, event.identity))
        return None if body is None else body.decode("utf-8", "replace")

    async def assign(self, event: ObjectEvent, run: str) -> None:
        """The object version belongs to `run` from here on, whatever was said before."""
        await put(self.store, keys.trigger_objects(self.trigger, event.identity), run.encode())

    async def is_forgotten(self, run: str) -> bool:
        """Whether objects that belong to `run` wait in vain: it does not exist, and nothing is left to start it."""
        places = (
            keys.run_json(run),
            keys.trigger_start(self.trigger, run),
            keys.trigger_letter(self.trigger, run),
        )
        for key in places:
            if await read(self.store, key) is not None:
                return False
        return True

    async def note_start(self, record: StartRecord) -> None:
        """It is known from here on that this run is to be started."""
        body = _dump(run=record.run, events=[event.fields() for event in record.events])
        await put(self.store, keys.trigger_start(self.trigger, record.run), body)

    async def read_start(self, run: str) -> StartRecord | None:
        """The start under way, or the run that is not over; None when there is none."""
        key = keys.trigger_start(self.trigger, run)
        body = await read(self.store, key)
        if body is None:
            return None
        fields = _parse(body, key)
        with _Damaged(key):
            return StartRecord(checked.text(fields["run"], "run"), tuple(map(event_of, fields["events"])))

    async def starts(self) -> list[str]:
        """The names of the runs that are to be started, or are not over."""
        return [name.removesuffix(".json") for name in await list_names(self.store, keys.trigger_starts(self.trigger))]

    async def end_start(self, run: str) -> None:
        """The run is over, or will never be: nobody has to look after it any more."""
        await delete(self.store, keys.trigger_start(self.trigger, run))

    async def write_letter(self, letter: Letter) -> None:
        """The dead letter can be read from here on."""
        events = [event.fields() for event in letter.events]
        body = _dump(name=letter.name, reason=letter.reason, at=letter.at, gone=letter.gone, events=events)
        await put(self.store, keys.trigger_letter(self.trigger, letter.name), body)

    async def letters(self) -> AsyncIterator[Letter]:
        """All dead letters, by name."""
        for name in await list_names(self.store, keys.trigger_unstarted(self.trigger)):
            key = keys.trigger_unstarted(self.trigger) + name
            if (body := await read(self.store, key)) is not None:
                fields = _parse(body, key)
                with _Damaged(key):
                    yield Letter(
                        checked.text(fields["name"], "name"),
                        checked.text(fields["reason"], "reason"),
                        checked.seconds(fields["at"], "at"),
                        tuple(map(event_of, fields["events"])),
                        fields["gone"] is True,
                    )

    async def retry(self, letter: Letter) -> None:
        """A dead letter becomes a start again, which whoever watches next carries out."""
        await self.note_start(StartRecord(letter.name, letter.events))
        await delete(self.store, keys.trigger_letter(self.trigger, letter.name))


def _dump(**fields: object) -> bytes:
    return json.dumps({"version": 1, **fields}, indent=1).encode()


def _parse(body: bytes, key: str) -> Any:
    with _Damaged(key):
        fields = checked.parse(body)
        checked.whole(fields["version"], "version", least=1, below=2)
        return fields


class _Damaged:
    """What is wrong with a record, told with its key."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, exc: BaseException | None, __: object) -> None:
        if isinstance(exc, (ValueError, KeyError, TypeError, AttributeError, RecursionError)):
            raise DamagedRecordError(f"{self._key}: {exc}") from exc
