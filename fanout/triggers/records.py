"""What a trigger keeps in the store: which run an object belongs to, the starts under way, and the dead letters.

triggers/<trigger>/objects/<identity>     the name of the run that this object version belongs to; created once
triggers/<trigger>/starts/<run>.json      the run is to be started, or is not over; removed when it is
triggers/<trigger>/unstarted/<name>.json  what could not be started, and why
triggers/<trigger>/arrivals/<digest>/     the list of the objects that a run gets
triggers/<trigger>/copies/<run>/          copies of objects that it cannot read in their place
triggers/<trigger>/removed/<run>          the run was removed; its objects start no other
triggers/<trigger>/own/                   where its runs write
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fanout.records.codec import As, Record, Seconds, Text
from fanout.storage import keys
from fanout.storage.objects import create, delete, list_names, put, read
from fanout.tasks import each
from fanout.triggers.event import ObjectEvent, event_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore


StoredEvent = Annotated[ObjectEvent, As(lambda fields, _: event_of(fields), ObjectEvent.fields)]


@dataclass(frozen=True, slots=True)
class StartRecord:
    """A run that is to be started, for those of `events` whose objects belong to it."""

    run: Text
    events: tuple[StoredEvent, ...]


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: objects for which no run is started, and why.

    `gone`: there is nothing left to start a run for. Else it can be tried again.
    """

    name: Text
    reason: Text
    at: Seconds  # epoch seconds
    events: tuple[StoredEvent, ...] = ()
    gone: bool = False


STARTS = Record(StartRecord)
LETTERS = Record(Letter)


@dataclass(frozen=True, slots=True)
class TriggerRecords:
    """The records of one trigger."""

    store: "ObjectStore"
    trigger: str

    async def runs_of(self, events: Sequence[ObjectEvent]) -> list[str | None]:
        """The run that each object version belongs to; None when it belongs to none yet."""
        return await each(self._run_of, events)

    async def claim(self, events: Sequence[ObjectEvent], run: str) -> list[str]:
        """Assigns each object version to a run for good: to `run`, unless it belongs to another one already.

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
            keys.trigger_removed(self.trigger, run),
        )
        for key in places:
            if await read(self.store, key) is not None:
                return False
        return True

    async def note_start(self, record: StartRecord) -> None:
        """It is known from here on that this run is to be started."""
        await put(self.store, keys.trigger_start(self.trigger, record.run), STARTS.dump(record))

    async def read_start(self, run: str) -> StartRecord | None:
        """The start under way, or the run that is not over; None when there is none."""
        key = keys.trigger_start(self.trigger, run)
        body = await read(self.store, key)
        if body is None:
            return None
        return STARTS.load(body, key)

    async def starts(self) -> list[str]:
        """The names of the runs that are to be started, or are not over."""
        return [name.removesuffix(".json") for name in await list_names(self.store, keys.trigger_starts(self.trigger))]

    async def end_start(self, run: str) -> None:
        """The run is over, or will never be: it no longer has to be carried out."""
        await delete(self.store, keys.trigger_start(self.trigger, run))

    async def write_letter(self, letter: Letter) -> None:
        """The dead letter can be read from here on."""
        await put(self.store, keys.trigger_letter(self.trigger, letter.name), LETTERS.dump(letter))

    async def letters(self) -> AsyncIterator[Letter]:
        """All dead letters, by name."""
        for name in await list_names(self.store, keys.trigger_unstarted(self.trigger)):
            key = keys.trigger_unstarted(self.trigger) + name
            if (body := await read(self.store, key)) is not None:
                yield LETTERS.load(body, key)

    async def retry(self, letter: Letter) -> None:
        """A dead letter becomes a start again, which the next watch carries out."""
        await self.note_start(StartRecord(letter.name, letter.events))
        await delete(self.store, keys.trigger_letter(self.trigger, letter.name))
