"""A slot of a node: runs the entry script in one process after another.

It knows which mini-batches the process holds, enforces the time limits by killing the process, and starts the next one.
It reports to its `SlotEvents` and decides nothing about retries.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from fanout.clock import Clock
from fanout.results.codec import Cause, Failure
from fanout.slot import protocol
from fanout.slot.lease import Lease
from fanout.slot.out_of_memory import OomKills
from fanout.slot.process import SlotProcess, death
from fanout.slot.protocol import (
    Answer,
    ControlOrder,
    Done,
    Loaded,
    ProtocolViolation,
    Ready,
    Revoked,
    StartFailed,
    Stopped,
    Task,
    WakeUp,
)

LONG = 0.25
"""Seconds from which a mini-batch counts as long: then none is handed over before the slot is free."""
AHEAD = 0.2
"""Seconds of work assigned in advance, when mini-batches are short; the slot wakes the node when a quarter is left."""
MOST_AHEAD = 512
FAR_LONGER = 3.0
"""How many times longer than usual, and than LONG, a mini-batch has run when those behind it are revoked."""
SHUTDOWN_LIMIT = 30.0
EXIT_LIMIT = 2.0
"""Seconds that a process gets to end after shutdown(): threads that a script has left behind would keep it for ever."""

ADVICE = {
    Cause.TIME_LIMIT: "; retry_settings.timeout allows more (60 seconds when it is not given)",
    Cause.INIT: "; --first_task_creation_timeout allows more (600 seconds when it is not given)",
    Cause.LOAD_TIME_LIMIT: "; --task_overhead_timeout allows more (600 seconds when it is not given)",
}


class SlotEvents(Protocol):
    """Callbacks of a slot into its node.

    `slot_needs_work`: it has little or nothing left to do. `slot_crashed`: the process ended in the middle of an
    attempt, which `slot_done` has already reported. `slot_start_failed`: the process ended without finishing anything,
    because the script could not be loaded or for an unknown reason.
    """

    def slot_ready(self, slot: "Slot") -> None: ...
    def slot_needs_work(self, slot: "Slot") -> None: ...
    def slot_done(self, slot: "Slot", lease: Lease, done: Done, started: float) -> None: ...
    def slot_unstarted(self, slot: "Slot", lease: Sequence[Lease]) -> None: ...
    def slot_crashed(self, slot: "Slot") -> None: ...
    def slot_start_failed(self, slot: "Slot", failure: Failure) -> None: ...
    def slot_stopped(self, slot: "Slot", stopped: Stopped) -> None: ...


ProcessFactory = Callable[[str, Callable[[Answer], None], Callable[[int], None]], SlotProcess]
"""Makes the process named by the first argument, with its `on_answer` and `on_end`."""


class Slot:
    """One concurrency slot."""

    def __init__(
        self,
        make_process: ProcessFactory,
        next_name: Callable[[], str],
        events: SlotEvents,
        clock: Clock,
        *,
        run_limit: float,
        load_limit: float,
        init_limit: float,
        reads: bool,
        kills: OomKills | None = None,
    ) -> None:
        self._make_process, self._next_name, self._events, self._clock = make_process, next_name, events, clock
        self._run_limit, self._load_limit, self._init_limit, self._reads = run_limit, load_limit, init_limit, reads
        self._kills = kills
        self._process: SlotProcess | None = None
        self._tasks: deque[Lease] = deque()
        self._revoked: deque[Lease] = deque()  # requeued; until the process confirms, it gets no new tasks
        self._since = 0.0  # when the current phase began: init, loading or running
        self._started_at = 0.0  # epoch seconds at which the current mini-batch began
        self._loading = False
        self._average: float | None = None
        self._overdue: Failure | None = None
        self.never_starts = False  # another process would fail in the same way
        self._blamed: Lease | None = None  # which mini-batch is overdue
        self._stopping = self._stopped = self._killed = False
        self.ready = False
        self.process_name = ""
        self.useless_starts = 0  # in a row

    async def start(self) -> None:
        """Starts a new process; `slot_ready` or `slot_start_failed` follows."""
        self.process_name = self._next_name()
        self.ready, self._overdue, self._blamed = False, None, None
        self._since = self._clock.monotonic()
        self._process = self._make_process(self.process_name, self._answered, self._ended)
        try:
            await self._process.start()
        except OSError:
            self._process = None  # there is none whose end could be waited for
            raise

    @property
    def busy(self) -> bool:
        return bool(self._tasks)

    @property
    def current(self) -> tuple[Lease, float] | None:
        """The running mini-batch and its start (epoch seconds), as of the last `read_answers`."""
        return (self._tasks[0], self._started_at) if self._tasks else None

    @property
    def holds(self) -> int:
        """How many mini-batches it holds, as of the last `read_answers`."""
        return len(self._tasks)

    def room(self, share: int) -> int:
        """How many more mini-batches it should be given now, of the `share` that it may hold: 0 before a quarter of
        what it should hold is done, since each assignment costs a write and a frame."""
        should = min(self.wanted, share)
        if not self.ready or self._stopping or self._revoked or 4 * len(self._tasks) > 3 * should:
            return 0
        return should - len(self._tasks)

    @property
    def wanted(self) -> int:
        """How many mini-batches it should hold: the running one, and a while of work ahead."""
        return 1 if self._average is None else wanted(self._average)

    @property
    def average(self) -> float | None:
        """Seconds that a mini-batch has taken lately; None before the first."""
        return self._average

    def assign(self, batches: Sequence[Lease]) -> None:
        """Assigns mini-batches, to be run in this order."""
        assert self._process is not None and self.ready  # noqa: S101 - the node asks for `room` first
        if not self._tasks:
            self._next_begins()
        self._tasks.extend(batches)
        self._process.write(
            protocol.task_frames([Task(lease.line, lease.message.attempt, lease.message.part) for lease in batches])
        )

    def read_answers(self) -> None:
        """Reads the answers that the process has written by now."""
        if self._process is not None:
            self._process.read_answers()

    def revoke(self) -> list[Lease]:
        """Revokes and returns what waits behind a mini-batch that takes far longer than usual.

        The process may be about to start the first of them; its answer to that is dropped.
        """
        longest = max(LONG, FAR_LONGER * (self._average or 0.0))
        if len(self._tasks) < 2 or self._process is None or self._clock.monotonic() - self._since <= longest:
            return []
        self._revoked = deque(list(self._tasks)[1:])
        self._tasks = deque([self._tasks[0]])
        self._process.write(ControlOrder.REVOKE.frame())
        return list(self._revoked)

    def check_time(self) -> None:
        """Ends the process when the current phase has taken longer than its limit, as far as it has been listened to.

        The phase may have begun before that was heard: it is ended late by as much, and never early.
        """
        if self._process is None or self._overdue is not None or self._killed:
            return
        limit, cause, what = self._limit()
        if limit is not None and self._clock.monotonic() - self._since > limit:
            advice = ADVICE.get(cause, "")
            said = f"{what} took longer than {limit:g} seconds, so its process was killed{advice}"
            self._end_for(Failure(cause, said), with_stack=True)

    def stop(self) -> None:
        """Asks the process to run shutdown() and end; `slot_stopped` follows."""
        self._stopping, self._since = True, self._clock.monotonic()
        if self._process is None:
            self._has_stopped(Stopped())
        elif self.ready:
            self._process.write(ControlOrder.STOP.frame())
        else:
            self.kill()

    def kill(self) -> None:
        """Kills the process now; its mini-batches come back through the events."""
        self._stopping = self._killed = True  # time limits no longer apply to a killed process
        if self._process is not None:
            self._process.kill()

    async def ended(self) -> None:
        """Waits until no process is left."""
        if self._process is not None:
            await self._process.ended()

    def _limit(self) -> tuple[float | None, Cause, str]:
        if self._stopped:
            return EXIT_LIMIT, Cause.SHUTDOWN, "ending after shutdown()"
        if self._stopping:
            return SHUTDOWN_LIMIT, Cause.SHUTDOWN, "shutdown()"
        if not self.ready:
            return self._init_limit, Cause.INIT, "loading the script and init()"
        if not self._tasks:
            limit = self._run_limit + self._load_limit if self._revoked else None
            return limit, Cause.TIME_LIMIT, "a mini-batch that was withdrawn"
        if self._loading:
            return self._load_limit, Cause.LOAD_TIME_LIMIT, "reading the mini-batch"
        return self._run_limit, Cause.TIME_LIMIT, "run()"

    def _next_begins(self, after: Done | None = None) -> None:
        """The first mini-batch that it holds is being worked on: from now on, or from the end of the one before."""
        self._since, self._loading = self._clock.monotonic(), self._reads
        if after is None or after.started is None:
            self._started_at = self._clock.now()
        else:
            self._started_at = after.started + after.load_seconds + after.run_seconds

    def _end_for(self, failure: Failure, *, with_stack: bool = False) -> None:
        """Kills the process; the running mini-batch, if there is one, gets `failure`."""
        self._overdue = self._overdue or failure
        self._blamed = self._tasks[0] if self._tasks else None
        if self._process is not None:
            self._process.kill_with_stack() if with_stack else self._process.kill()

    def _answered(self, answer: Answer) -> None:
        match answer:
            case Done() if self._tasks:
                self._done(answer)
            case WakeUp():
                self._events.slot_needs_work(self)
            case Done() | Loaded() if self._revoked and not self._tasks:
                self._since = self._clock.monotonic()  # it was started before the process knew
            case Revoked():
                self._revoked.clear()
            case Done() | Loaded() if not self._tasks:
                self._protocol_violated("an answer to no mini-batch")
            case ProtocolViolation():
                self._protocol_violated(answer.reason)
            case Loaded():
                self._loading, self._since = False, self._clock.monotonic()
                self._tasks[0].items = answer.items
            case Ready():
                self.ready = True
                self._events.slot_ready(self)
            case StartFailed():
                self._overdue, self.never_starts = answer.failure, answer.permanent
            case Stopped():
                self._has_stopped(answer)

    def _protocol_violated(self, reason: str) -> None:
        """The answers of this process cannot be trusted: it is replaced."""
        message = f"the script wrote into, or read from, a file descriptor that is not its own: {reason}"
        self._end_for(Failure(Cause.PROTOCOL, message))

    def _done(self, done: Done) -> None:
        lease, started = self._tasks.popleft(), self._started_at if done.started is None else done.started
        self.useless_starts = 0
        seconds = done.load_seconds + done.run_seconds
        self._average = seconds if self._average is None else 0.8 * self._average + 0.2 * seconds
        if self._tasks:
            self._next_begins(after=done)
        elif self._revoked:
            self._since = self._clock.monotonic()
        self._events.slot_done(self, lease, done, started)

    def _ended(self, returncode: int) -> None:
        was_ready, self.ready = self.ready, False
        failure = self._with_stack(self._overdue or death(returncode, self._kills))
        given, self._tasks = list(self._tasks), deque()
        ran_revoked = bool(self._revoked)
        self._revoked.clear()
        if self._stopping:
            self._events.slot_unstarted(self, given)
            self._has_stopped(Stopped(self._overdue and failure))
        elif given and self._blamed is not None and given[0] is not self._blamed:
            self._events.slot_unstarted(self, given)  # the one that was overdue has answered before the end after all
            self._events.slot_crashed(self)
        elif given:
            elapsed = self._clock.monotonic() - self._since
            self._events.slot_unstarted(self, given[1:])
            lost = Done(given[0].items, 0, 0.0, elapsed, failure=failure)
            self._events.slot_done(self, given[0], lost, self._started_at)
            self._events.slot_crashed(self)
        elif ran_revoked:
            self._events.slot_crashed(self)
        else:
            self.useless_starts += 1
            self._events.slot_start_failed(self, failure if was_ready else _as_init_failure(failure))

    def _with_stack(self, failure: Failure) -> Failure:
        """With where the process was, if it has written that: as a traceback, the sentence at its end."""
        stack = "" if self._process is None else self._process.stack
        return failure if failure.traceback or not stack else replace(failure, traceback=stack + failure.message)

    def _has_stopped(self, stopped: Stopped) -> None:
        if not self._stopped:
            self._stopped, self._since = True, self._clock.monotonic()
            self._events.slot_stopped(self, stopped)


def wanted(average: float) -> int:
    """How many mini-batches of `average` seconds a slot should hold."""
    if average >= LONG:
        return 1
    return 1 + min(MOST_AHEAD, max(1, math.ceil(AHEAD / max(average, 1e-6))))


def _as_init_failure(failure: Failure) -> Failure:
    return Failure(Cause.INIT, failure.message, failure.traceback)
