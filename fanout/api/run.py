"""A run from Python: where it stands, what it made, what failed, and how to go on with it."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fanout.api import context, reading
from fanout.api.calls import call
from fanout.api.output import Output
from fanout.api.progress import Board, BoardObserver, board_html, drawn
from fanout.api.values import Event, FailedMiniBatch, RunEnded, RunStep
from fanout.api.where import Where
from fanout.config.settings import Settings
from fanout.errors import InfrastructureError, RunFailed, ScriptError
from fanout.records.verdict import Verdict

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from fanout.api.background import BackgroundProcess
    from fanout.engines.node_process import WarmNode
    from fanout.queries.status import RunStatus
    from fanout.records.run import RunRecord
    from fanout.scheduler.context import RunContext
    from fanout.scheduler.observer import RunObserver, RunReport
    from fanout.storage.access import Access

T = TypeVar("T")
Work = Callable[["RunContext", "RunObserver"], Coroutine[Any, Any, "RunReport"]]
LOOK_EVERY = 0.5
"""Seconds between two looks at a run that is carried out elsewhere."""


class Run:
    """One run of a pipeline or a function, known by its name and its store alone.

    Each attribute reads the store when it is asked for, so it says how things are now; a run that is over does not
    change, unless it is redriven.
    """

    name: str

    def __init__(self, name: str, settings: Settings, background: "BackgroundProcess | None" = None) -> None:
        self.name = name
        self._settings = settings
        self._background = background
        self._ended: tuple[RunRecord, RunStatus] | None = None

    def __repr__(self) -> str:
        return f"<fanout.Run {self.name}: {self.status}>"

    def _repr_html_(self) -> str:
        """What a notebook shows of it: the verdict, and a line for each step."""
        board = Board()
        board.take(self._now()[1])
        return board_html(board)

    @property
    def store(self) -> str:
        """The URI of the store that the run is in."""
        return self._settings.store

    @property
    def status(self) -> str:
        """`Completed`, `Failed` or `Canceled`; `Running` as long as it has no verdict.

        Whether a process works on it just now is in `steps[...].nodes`.
        """
        verdict = self.verdict
        return "Running" if verdict is None else str(verdict.status)

    @property
    def verdict(self) -> Verdict | None:
        """How the run ended and why; None as long as it has not."""
        seal = self._now()[1].seal
        return None if seal is None else seal.verdict

    @property
    def reason(self) -> str:
        """Why the run ended as it did; "" as long as it has not."""
        verdict = self.verdict
        return "" if verdict is None else verdict.reason

    @property
    def with_failures(self) -> bool:
        """Whether anything has failed for good so far, within the thresholds or beyond them."""
        return self._now()[1].has_failures

    @property
    def steps(self) -> Mapping[str, RunStep]:
        """The steps by name, in the order of the pipeline."""
        record, status = self._now()
        return reading.steps_of(record, status, self._access)

    @property
    def outputs(self) -> Mapping[str, Output]:
        """All outputs of steps that completed: of the pipeline by their names in it, of steps as `step.name`."""
        record, status = self._now()
        return reading.outputs_of(record, reading.steps_of(record, status, self._access))

    def output(self, name: str | None = None) -> Output:
        """The output of this name, `step.name` for that of a step; by default the only one there is.

        KeyError, which names those that there are, when there is none of this name, or several and none was named.
        """
        record, status = self._now()
        steps = reading.steps_of(record, status, self._access)
        found = reading.outputs_of(record, steps)
        if name is not None:
            if name in found:
                return found[name]
            raise KeyError(f"run {self.name} has no output {name!r}; it has {', '.join(found) or 'none'}")
        chosen = {key: one for key, one in found.items() if "." not in key} or found
        if len(chosen) == 1:
            return next(iter(chosen.values()))
        raise KeyError(f"run {self.name} has {len(chosen)} outputs ({', '.join(chosen) or 'none'}): name one")

    def failures(self) -> list[FailedMiniBatch]:
        """Every mini-batch that failed for good, or has failed so far and not succeeded."""
        record = self._now()[0]
        return call(lambda: reading.failures_in(self._open(), record))

    def report(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Writes the run as it stands as one HTML file, as `fanout report` does, and returns the file's path.

        By default `report-NAME.html` in the working directory; a file that is there is replaced. OSError when it cannot
        be written.
        """
        from fanout.api.reports import find_report

        commands = context.commands_of(self._settings, Where(profile=self._settings.profile))
        _, made = call(lambda: find_report(self.name, self._settings, commands))
        target = Path(path if path is not None else f"report-{self.name}.html")
        target.write_bytes(made.html)
        return target

    def wait(self, timeout: float | None = None, *, progress: bool | None = None) -> Verdict:
        """Waits until the run has its verdict. TimeoutError after `timeout` seconds; the run goes on then.

        For a run that another process carries out. Ctrl-C ends the waiting, not the run. InfrastructureError when the
        background process that `submit` started has ended without a verdict.
        """
        board, begun = Board(), time.monotonic()
        with drawn(board, progress) as tick:
            while True:
                alive = self._is_carried_out()
                status = self._now()[1]
                board.take(status)
                tick()
                if status.seal is not None:
                    return status.seal.verdict
                if not alive and self._background is not None:
                    raise InfrastructureError(self._background.why_it_ended(self.name))
                if timeout is not None and time.monotonic() - begun >= timeout:
                    raise TimeoutError(f"run {self.name} did not end in {timeout:g} s; it goes on")
                time.sleep(LOOK_EVERY if timeout is None else min(LOOK_EVERY, timeout))

    def events(self) -> Iterator[Event]:
        """What happens in the run, from its beginning to its end; waits for each event. Ends with `RunEnded`.

        InfrastructureError when the background process that `submit` started has ended without a verdict.
        """
        before: RunStatus | None = None
        while True:
            alive = self._is_carried_out()
            _, now = self._now()
            yield from reading.changes(before, now)
            if now.seal is not None:
                return
            if not alive and self._background is not None:
                raise InfrastructureError(self._background.why_it_ended(self.name))
            before = now
            time.sleep(LOOK_EVERY)

    async def aevents(self) -> AsyncIterator[Event]:
        """The same for code that is asynchronous: `async for event in run.aevents()`."""
        before: RunStatus | None = None
        while True:
            _, now = await asyncio.to_thread(self._now)
            for event in reading.changes(before, now):
                yield event
                if isinstance(event, RunEnded):
                    return
            before = now
            await asyncio.sleep(LOOK_EVERY)

    def raise_for_status(self) -> None:
        """RunFailed when the run ended Failed or Canceled, with the script's own traceback as its cause."""
        record, status = self._now()
        if status.seal is None or status.seal.verdict.completed:
            return
        traceback = call(lambda: reading.first_traceback(self._open(), record))
        raise self._failed(status.seal.verdict) from (ScriptError(f"\n{traceback}") if traceback else None)

    def _failed(self, verdict: Verdict) -> RunFailed:
        more = context.commands_of(self._settings, Where(profile=self._settings.profile)).failures(self.name)
        reason = f"run {self.name} ended {verdict.status}: {verdict.reason}"
        return RunFailed(f"{reason}; all failures: Run.failures(), or {more}", self.name)

    def redrive(
        self,
        mini_batches: Iterable[int] | None = None,
        *,
        step: str | None = None,
        new_code: bool = False,
        progress: bool | None = None,
    ) -> "Run":
        """Runs again what did not succeed, in another round of the run, and waits for its end.

        `mini_batches` chooses some of those of `step`, which may be left out where the run has one parallel step.
        `new_code` takes the code folder as it is now. A run without a verdict is ended first. Returns this run.
        """
        from fanout.api.orders import redrive_order
        from fanout.records.run import load_record
        from fanout.scheduler.restart.redrive import redrive

        async def work(run_context: "RunContext", observer: "RunObserver") -> "RunReport":
            record = await load_record(run_context.store, self.name)
            return await redrive(
                self.name, redrive_order(record, step, mini_batches, new_code=new_code), run_context, observer
            )

        return self._carry_out(work, progress)

    def resume(self, *, new_code: bool = False, progress: bool | None = None) -> "Run":
        """Goes on with a run whose process was stopped or killed, in this process, and waits for its end.

        The outcome is that of a run that was never stopped. A run that is over stays as it is. `new_code`: what starts
        from now on runs with the code folder as it is now. Returns this run.
        """
        from fanout.scheduler.resident import resume

        return self._carry_out(
            lambda run_context, see: resume(self.name, run_context, see, new_code=new_code), progress
        )

    def cancel(self) -> Verdict:
        """Ends the run for good, wherever it is carried out, and waits until it has ended; what is done stays.

        Its verdict is `Canceled`, or another one if it was faster.
        """
        from fanout.scheduler.cancel import cancel

        async def carry_out() -> Verdict:
            async with context.run_context_of(self._settings, print_line=_unsaid) as run_context:
                return (await cancel(self.name, run_context)).seal.verdict

        return call(carry_out)

    def _is_carried_out(self) -> bool:
        """False when the process that `submit` started is gone."""
        return self._background is None or self._background.is_alive

    def _carry_out(self, work: Work, progress: bool | None) -> "Run":
        self._ended = None
        carry_out(work, self._settings, progress)
        return self

    def _now(self) -> "tuple[RunRecord, RunStatus]":
        """The run as it stands; kept once it is over."""
        if self._ended is None:
            found = call(lambda: reading.status_of(self._open(), self.name, self._settings))
            if found[1].seal is None:
                return found
            self._ended = found
        return self._ended

    def _open(self) -> "ObjectStore":
        return context.open_to_read(self._settings)

    def _access(self) -> "Access":
        return context.access_of(self._settings)


def _unsaid(line: str) -> None:
    """What fanout.toml decided was said when the run was made."""


def carry_out(
    work: Work, settings: Settings, progress: bool | None, warm: "WarmNode | None" = None, board: Board | None = None
) -> "RunReport":
    """A run from its start, or from where it stands, to its end, in a thread of its own; draws `progress` meanwhile."""
    from fanout.telemetry.observers import heard

    shown = board or Board()

    async def begin() -> "RunReport":
        async with (
            context.run_context_of(settings, warm, print_line=shown.notices.append) as run_context,
            heard(BoardObserver(shown), settings, run_context, os.environ) as observer,
        ):
            return await work(run_context, observer)

    try:
        with drawn(shown, progress) as tick:
            return call(begin, tick)
    except BaseException as error:
        if shown.run:
            resume = context.commands_of(settings, Where(profile=settings.profile)).resume(shown.run)
            error.add_note(f'go on with the run: fanout.open_run("{shown.run}").resume(), or {resume}')
        raise
