"""An event loop without real time: when nobody can go on, the clock moves to the next timer.

Deterministic: no sockets, no threads, and tasks and futures hash by their number, so that sets of them have an order.
Callbacks belong to a simulated process; those of a stopped process wait until it goes on.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar, copy_context
from typing import Any

PROCESS: ContextVar["Process | None"] = ContextVar("PROCESS", default=None)


class StuckError(Exception):
    """Nothing will ever happen again, or nothing does within the time that was given."""


class Process:
    """One simulated process: tasks that are stopped together, and end together."""

    def __init__(self, name: str, loop: "VirtualLoop") -> None:
        self.name, self._loop = name, loop
        self.dead = self.stopped = False
        self.calls = 0
        self.dies_at: int | None = None  # the call that is its last one
        self.dies_after = True  # that call still has its effect
        self.clock_offset = 0.0
        self.node: Any = None  # what an engine knows of it, when it is a node
        self.on_death: list[Callable[[], None]] = []
        self._tasks: list[Task] = []
        self._waiting: list[asyncio.Handle] = []
        self._context = copy_context()
        self._context.run(PROCESS.set, self)

    def start(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Its first task."""
        return self._loop.create_task(work, context=self._context)

    def soon(self, callback: Callable[..., object], *arguments: object) -> None:
        """As if something had arrived on a socket of the process; lost when it is dead."""
        if not self.dead:
            self._loop.call_soon(callback, *arguments, context=self._context)

    def kill(self) -> None:
        """As SIGKILL: from here on nothing that it does reaches the world; its tasks are only being cleared away."""
        if self.dead:
            return
        self.dead = True
        self.go_on()
        for then in self.on_death:
            then()
        for task in self._tasks:
            task.cancel()

    def stop(self) -> None:
        """As SIGSTOP."""
        self.stopped = not self.dead

    def go_on(self) -> None:
        """As SIGCONT."""
        self.stopped = False
        waiting, self._waiting = self._waiting, []
        self._loop.again(waiting)

    def note(self, task: "Task") -> None:
        if len(self._tasks) > 200:
            self._tasks = [known for known in self._tasks if not known.done()]
        self._tasks.append(task)

    def park(self, handle: asyncio.Handle) -> None:
        self._waiting.append(handle)


class Task(asyncio.Task[Any]):
    """A task with a hash that is the same in every run of the program."""

    def __init__(self, coro: Any, *, number: int, **rest: Any) -> None:
        self.number = number
        super().__init__(coro, **rest)

    def __hash__(self) -> int:
        return self.number


class Future(asyncio.Future[Any]):
    """A future with a hash that is the same in every run of the program."""

    def __init__(self, *, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self.number = number
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self.number


MOST_TURNS = 1_000_000
"""Turns after which a world is taken to go round in circles; the longest need a tenth of it."""


class VirtualLoop(asyncio.BaseEventLoop):
    """The loop of one world; `limit` is the virtual second at which it gives up."""

    def __init__(self, limit: float = 1e9) -> None:
        super().__init__()
        self.limit = limit
        self._turns = 0
        self._moment = 0.0
        self._numbers = itertools.count()
        self.tasks: list[Task] = []
        self.complaints: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.complaints.append(context))

    def time(self) -> float:
        return self._moment

    def create_task(
        self, coro: Generator[Any, None, Any] | Coroutine[Any, Any, Any], *, name: Any = None, context: Any = None
    ) -> "Task":
        task = Task(coro, number=next(self._numbers), loop=self, name=name or "task", context=context)
        process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is not None:
            process.note(task)
        self.tasks.append(task)
        return task

    def create_future(self) -> Future:
        return Future(number=next(self._numbers), loop=self)

    def run_in_executor(self, _: Any, func: Callable[..., Any], *args: Any) -> Future:  # type: ignore[override]
        """Threads do their work at once."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as exc:  # noqa: BLE001 - handed on to whoever awaits it
            future.set_exception(exc)
        return future

    def again(self, handles: list[asyncio.Handle]) -> None:
        """These callbacks are next, after those that are ready now."""
        self._ready.extend(handles)

    def give_more_time(self, seconds: float) -> None:
        """It gives up so much later."""
        self.limit, self._turns = self._moment + seconds, 0

    def failures(self) -> list[BaseException]:
        """Exceptions of tasks that nobody has asked for."""
        return [
            exc
            for task in self.tasks
            if task.done() and not task.cancelled() and task._log_traceback and (exc := task.exception()) is not None
        ]

    def _write_to_self(self) -> None:
        """There is no selector that would have to be woken."""

    def _process_events(self, event_list: object) -> None:
        """There are no events from outside."""

    def _run_once(self) -> None:
        self._turns += 1
        if self._turns > MOST_TURNS:
            raise StuckError(f"goes round in circles at {self._moment:g} virtual seconds")
        if not self._ready and not self._stopping:
            self._move_on()
        for _ in range(len(self._ready)):
            handle = self._ready.popleft()
            if handle._cancelled:
                continue
            process = handle._context.get(PROCESS)
            if process is not None and process.stopped:
                process.park(handle)
            else:
                handle._run()

    def _move_on(self) -> None:
        """The clock stands at the next timer, and whatever is due then is ready."""
        timers = self._scheduled
        while timers and timers[0]._cancelled:
            self._pop()
        if not timers:
            raise StuckError("nobody waits for anything that could still happen")
        self._moment = max(self._moment, timers[0]._when)
        if self._moment > self.limit:
            raise StuckError(f"not over after {self.limit:g} virtual seconds")
        while timers and timers[0]._when <= self._moment:
            self._ready.append(self._pop())

    def _pop(self) -> asyncio.TimerHandle:
        handle = heapq.heappop(self._scheduled)
        handle._scheduled = False
        return handle
