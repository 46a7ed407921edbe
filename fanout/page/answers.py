"""What the live page is answered: each question to a run as JSON, or as columns."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fanout.errors import RunError
from fanout.page.watched_runs import Watched, WatchedRuns
from fanout.queries.page.columns import wire
from fanout.queries.page.log_files import list_logs, read_log, search_logs
from fanout.queries.page.node_usage import read_usage
from fanout.queries.page.peek import peek
from fanout.queries.page.plain_fields import plain_fields
from fanout.queries.page.run_list import list_run_rows
from fanout.queries.page.step_data import StepData
from fanout.queries.page.tries import read_mini_batch_page
from fanout.records.run import load_record
from fanout.storage import keys

if TYPE_CHECKING:
    from obstore.store import ObjectStore

Act = Callable[[str, str], Awaitable[str]]
"""Carries out an action on a run, and says what it has done."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked about which run: text from outside, each checked where it is used."""

    run: str
    round: int | None = None
    step: str = ""
    values: tuple[tuple[str, str], ...] = ()

    def value(self, name: str, otherwise: str = "") -> str:
        """One of the other values of the question."""
        return dict(self.values).get(name, otherwise)

    def number(self, name: str) -> int:
        """A whole number of 0 or more; RunError when it is none."""
        text = self.value(name, "0")
        if not text.isdecimal() or len(text) > 10:
            raise RunError(f"{name}: expected a whole number, found {text[:40]!r}")
        return int(text)


@dataclass(slots=True)
class Answers:
    """Answers about the runs of one store; `act` is None where the page only looks."""

    store: "ObjectStore"
    runs: WatchedRuns
    act: Act | None = None

    async def listed(self) -> Any:
        """The runs of the store, newest first."""
        return {"runs": plain_fields(await list_run_rows(self.store)), "actions": self.act is not None}

    async def run(self, asked: Question) -> Any:
        """A run: everything but its columns."""
        found = await self.runs.look(asked.run, asked.round)
        page = plain_fields(await found.reader.page())
        last = found.reader.record if asked.round is None else await load_record(self.store, asked.run)
        return {**page, "last_round": 1 if last is None else last.round}

    async def attempts(self, asked: Question) -> list[bytes]:
        """The attempts of a step from a place on; all of them where the page has another epoch."""
        data = _data(await self.runs.look(asked.run, asked.round), asked.step)
        same = asked.value("epoch") == str(data.epoch)
        since = min(asked.number("since"), len(data.attempts)) if same else 0
        return wire(data.attempts, since, data.codes, {"epoch": data.epoch})

    async def mini_batch(self, asked: Question) -> Any:
        """One mini-batch with its tries."""
        data = _data(await self.runs.look(asked.run, asked.round), asked.step)
        return plain_fields(await read_mini_batch_page(self.store, data, asked.number("index")))

    async def usage(self, asked: Question) -> Any:
        """What its nodes used of their machines."""
        return plain_fields(await read_usage(self.store, await self._logs(asked)))

    async def logs(self, asked: Question) -> Any:
        """The log files of a step."""
        return plain_fields(await list_logs(self.store, await self._logs(asked)))

    async def log(self, asked: Question) -> Any:
        """The end of one log file; None when there is none of this name."""
        return plain_fields(await read_log(self.store, await self._logs(asked), asked.value("name")))

    async def download(self, asked: Question) -> str | None:
        """All of one log file, up to 64 MiB, without credentials."""
        found = await read_log(self.store, await self._logs(asked), asked.value("name"), 64 * 1024 * 1024)
        return None if found is None else found.text

    async def search(self, asked: Question) -> Any:
        """Lines of logs that have a text."""
        return plain_fields(await search_logs(self.store, await self._logs(asked), asked.value("text")))

    async def peek(self, asked: Question) -> Any:
        """The first lines of an output that the run names."""
        page = await (await self.runs.look(asked.run, asked.round)).reader.page()
        uris = [step.outputs.get(asked.value("output"), "") for step in page.steps if step.name == asked.step]
        return {"text": peek(uris[0]) if uris and uris[0] else ""}

    async def _logs(self, asked: Question) -> str:
        """Where the logs of the step are; RunError when the run has no such step."""
        record = (await self.runs.look(asked.run, asked.round)).reader.record
        if record is None or asked.step not in [step.name for step in record.pipeline.steps]:
            raise RunError(f"run {asked.run} has no step {asked.step[:80]!r}")
        return keys.logs(record.at(asked.step))


def _data(watched: Watched, step: str) -> StepData:
    data = watched.reader.data.get(step)
    if data is None:
        raise RunError(f"step {step[:80]!r} has no attempts: it has not begun, or it is no parallel step")
    return data
