"""A slot with a process that only the test moves: time limits, deaths, and how much work it asks for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from fanout.results.codec import Cause, Failure
from fanout.slot import protocol
from fanout.slot.frames import FrameBuffer
from fanout.slot.lease import Lease
from fanout.slot.protocol import (
    Answer,
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
from fanout.slot.slot import EXIT_LIMIT, SHUTDOWN_LIMIT, Slot, wanted

KILLED = -9


class Twin:
    """Stands in for SlotProcess: notes what it is given, says what the test makes it say, dies when killed."""

    def __init__(self, name: str, on_answer: Callable[[Answer], None], on_end: Callable[[int], None]) -> None:
        self.name, self.say, self._on_end = name, on_answer, on_end
        self.given: list[tuple[str, int]] = []
        self.alive = False
        self.unheard: list[Answer] = []
        self._buffer = FrameBuffer()

    async def start(self) -> None:
        self.alive, self.stack = True, ""

    def write(self, frame: bytes) -> None:
        for head, payload in self._buffer.feed(frame):
            self.given += [
                ("task", order.attempt) if isinstance(order, Task) else (str(order), 0)
                for order in protocol.orders_of(head, payload)
            ]

    def read_answers(self) -> None:
        """What the test has held back is heard."""
        waiting, self.unheard = self.unheard, []
        for answer in waiting:
            self.say(answer)

    def kill(self) -> None:
        self.end(KILLED)

    def kill_with_stack(self) -> None:
        self.stack = 'Stack at that moment (most recent call last):\n  File "score.py", line 3, in run\n'
        self.kill()

    def end(self, returncode: int) -> None:
        if self.alive:
            self.alive = False
            self._on_end(returncode)

    async def ended(self) -> None:
        assert not self.alive


@dataclass
class Heard:
    """What a node would hear of its slot, in order."""

    events: list[tuple[Any, ...]] = field(default_factory=list)

    def slot_ready(self, _: Slot) -> None:
        self.events.append(("ready",))

    def slot_needs_work(self, _: Slot) -> None:
        self.events.append(("rang",))

    def slot_done(self, _: Slot, lease: Lease, done: Done, started: float) -> None:
        cause = done.failure.cause if done.failure else None
        self.events.append(("done", lease.message.index, cause, done.items, started))

    def slot_unstarted(self, _: Slot, lease: Sequence[Lease]) -> None:
        if lease:
            self.events.append(("unstarted", [h.message.index for h in lease]))

    def slot_crashed(self, _: Slot) -> None:
        self.events.append(("died",))

    def slot_start_failed(self, _: Slot, failure: Failure) -> None:
        self.events.append(("broken", failure.cause, failure.message))

    def slot_stopped(self, _: Slot, stopped: Stopped) -> None:
        self.events.append(("stopped", stopped.failure.cause if stopped.failure else None))

    def take(self) -> list[tuple[Any, ...]]:
        """What was heard since the last time."""
        events, self.events = self.events, []
        return events


@dataclass
class Bench:
    """One slot and all around it."""

    slot: Slot
    heard: Heard
    clock: Any
    processes: list[Twin]

    @property
    def process(self) -> Twin:
        return self.processes[-1]

    async def ready(self) -> "Bench":
        """A process runs and init() has returned."""
        await self.slot.start()
        self.process.say(Ready(0.1))
        self.heard.take()
        return self

    def done(self, seconds: float = 0.001) -> None:
        """The process has finished its first mini-batch."""
        self.process.say(Done(2, 2, 0.0, seconds))

    def pass_time(self, seconds: float) -> None:
        """Lets `seconds` pass and the node look at its slots."""
        self.clock.advance(seconds)
        self.slot.check_time()


@pytest.fixture
def bench(manual_clock: Any) -> Callable[..., Bench]:
    """A slot whose run() may take 10 seconds and loading 5."""

    def make(reads: bool = False, run_limit: float = 10.0) -> Bench:
        heard, processes = Heard(), list[Twin]()

        def process(name: str, on_answer: Callable[[Answer], None], on_end: Callable[[int], None]) -> Any:
            processes.append(Twin(name, on_answer, on_end))
            return processes[-1]

        names = iter(f"process{n:03d}" for n in range(100))
        slot = Slot(
            process,
            lambda: next(names),
            heard,
            manual_clock,
            run_limit=run_limit,
            load_limit=5.0,
            init_limit=30.0,
            reads=reads,
        )
        return Bench(slot, heard, manual_clock, processes)

    return make


async def test_the_life_of_a_slot(bench: Callable[..., Bench], lease: Callable[..., Lease]) -> None:
    """Ready, mini-batches in the order given, stopped; the attempt number goes with each."""
    b = await bench().ready()
    b.slot.assign([lease(4, attempt=1), lease(5)])
    assert b.process.given == [("task", 1), ("task", 0)]
    b.clock.advance(1)
    b.done()
    b.done()
    assert [event[:3] for event in b.heard.take()] == [("done", 4, None), ("done", 5, None)]
    b.slot.stop()
    assert b.process.given[-1] == ("stop", 0)
    b.process.say(Stopped())
    b.process.end(0)
    await b.slot.ended()
    assert b.heard.take() == [("stopped", None)]


async def test_run_has_a_time_limit(bench: Callable[..., Bench], lease: Callable[..., Lease]) -> None:
    """At the limit nothing happens, after it the process is killed, and the attempt failed for that reason."""
    b = await bench().ready()
    b.clock.advance(1000)
    b.slot.assign([lease(0)])
    b.pass_time(10.0)
    assert b.process.alive, "idle time does not count, and the limit itself is allowed"
    b.pass_time(0.1)
    assert not b.process.alive
    assert [event[:3] for event in b.heard.take()] == [("done", 0, Cause.TIME_LIMIT), ("died",)]


async def test_what_is_killed_in_the_middle_of_run_is_no_hanging_shutdown(
    bench: Callable[..., Bench], lease: Callable[..., Lease]
) -> None:
    """Between the kill and the end of the process the limits are looked at, and say nothing of what was killed."""

    class Dying(Twin):
        def kill(self) -> None:
            """Its end comes later."""

    b = await bench().ready()
    b.process.__class__ = Dying
    b.slot.assign([lease(0)])
    b.clock.advance(1000)
    b.slot.kill()
    b.pass_time(1000)
    b.process.end(KILLED)
    assert [event for event in b.heard.take() if event[0] == "stopped"] == [("stopped", None)]


async def test_a_time_limit_shows_where_the_process_was(
    bench: Callable[..., Bench], lease: Callable[..., Lease], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stack stands where a traceback would, with the sentence at its end."""
    found: list[str] = []
    b = await bench().ready()
    monkeypatch.setattr(b.heard, "slot_done", lambda _slot, _held, done, _started: found.append(done.failure.traceback))
    b.slot.assign([lease(0)])
    b.pass_time(10.1)
    [text] = found
    lines = text.splitlines()
    assert lines[:2] == ["Stack at that moment (most recent call last):", '  File "score.py", line 3, in run']
    assert lines[2].startswith("run() took longer than 10 seconds, so its process was killed")


async def test_a_process_that_talks_nonsense_is_replaced(
    bench: Callable[..., Bench], lease: Callable[..., Lease]
) -> None:
    """What it was working on has failed for that reason; what waited behind goes to the next one."""
    b = await bench().ready()
    b.slot.assign([lease(0), lease(1)])
    b.process.say(ProtocolViolation("a frame of 5 + 7 bytes"))
    assert not b.process.alive
    assert [event[:3] for event in b.heard.take()] == [
        ("unstarted", [1]),
        ("done", 0, Cause.PROTOCOL),
        ("died",),
    ]


@pytest.mark.parametrize("answer", [Done(2, 2, 0.0, 0.1), Loaded(2, 0.1)])
async def test_an_answer_to_nothing_is_nonsense(bench: Callable[..., Bench], answer: Answer) -> None:
    """A slot that has no mini-batch cannot have finished one."""
    b = await bench().ready()
    b.process.say(answer)
    assert not b.process.alive


async def test_each_mini_batch_has_its_own_time(bench: Callable[..., Bench], lease: Callable[..., Lease]) -> None:
    """Mini-batches that wait behind others are not charged for the waiting; those behind the late one go back."""
    b = await bench().ready()
    b.slot.assign([lease(0), lease(1), lease(2)])
    b.pass_time(9)
    b.done(9)
    b.pass_time(9)
    assert b.process.alive
    b.pass_time(2)
    assert [event[:3] for event in b.heard.take()] == [
        ("done", 0, None),
        ("unstarted", [2]),
        ("done", 1, Cause.TIME_LIMIT),
        ("died",),
    ]


async def test_what_is_heard_late_is_not_charged_for_it(
    bench: Callable[..., Bench], lease: Callable[..., Lease]
) -> None:
    """A node that has not listened for a while does so before it judges; time counts from there: never too soon."""
    b = await bench().ready()
    b.slot.assign([lease(0), lease(1), lease(2)])
    b.process.unheard = [Done(2, 2, 0.0, 5.0), Done(2, 2, 0.0, 5.5)]
    b.clock.advance(10.6)
    b.slot.read_answers()
    b.slot.check_time()
    assert b.process.alive
    b.pass_time(9.9)
    assert b.process.alive
    b.pass_time(0.2)
    assert [event[:3] for event in b.heard.take()] == [
        ("done", 0, None),
        ("done", 1, None),
        ("done", 2, Cause.TIME_LIMIT),
        ("died",),
    ]


async def test_an_answer_tells_when_work_began(bench: Callable[..., Bench], lease: Callable[..., Lease]) -> None:
    """It is the process that knows; of one that died in the middle it is the end of the mini-batch before."""
    b = await bench().ready()
    given = b.clock.now()
    b.slot.assign([lease(0), lease(1), lease(2), lease(3)])
    b.clock.advance(8)
    b.process.say(Done(2, 2, 0.5, 1.0, started=given + 0.25))
    b.process.say(Done(2, 2, 0.0, 2.0, started=given + 1.75))
    b.process.say(Done(2, 2, 0.0, 1.0))
    b.process.end(3)
    starts = [event[4] - given for event in b.heard.take() if event[0] == "done"]
    assert starts == [0.25, 1.75, 3.75, 8.0]


async def test_one_that_was_overdue_and_answers_after_all(
    bench: Callable[..., Bench], lease: Callable[..., Lease]
) -> None:
    """What was said before the end counts; the next one, which had just begun, is not blamed for it."""

    class Late(Twin):
        def kill(self) -> None:
            self.say(Done(2, 2, 0.0, 10.0))
            super().kill()

    b = await bench().ready()
    b.process.__class__ = Late
    b.slot.assign([lease(0), lease(1), lease(2)])
    b.pass_time(10.1)
    assert [event[:3] for event in b.heard.take()] == [("done", 0, None), ("unstarted", [1, 2]), ("died",)]


async def test_the_bell_is_passed_on(bench: Callable[..., Bench]) -> None:
    """A slot that has little left says so, and whoever feeds it hears."""
    b = await bench().ready()
    b.process.say(WakeUp())
    assert b.heard.take() == [("rang",)]


async def test_reading_has_a_limit_of_its_own(bench: Callable[..., Bench], lease: Callable[..., Lease]) -> None:
    """task_overhead_timeout bounds the reading, and run() gets its whole time after it."""
    b = await bench(reads=True).ready()
    b.slot.assign([lease(0), lease(1)])
    b.pass_time(4.9)
    b.process.say(Loaded(7, 4.9))
    b.pass_time(9.9)
    assert b.process.alive
    b.done(9.9)
    b.pass_time(5.1)
    assert [event[:3] for event in b.heard.take()] == [("done", 0, None), ("done", 1, Cause.LOAD_TIME_LIMIT), ("died",)]


async def test_what_died_after_loading_keeps_its_items(
    bench: Callable[..., Bench], lease: Callable[..., Lease]
) -> None:
    """The number of rows is known as soon as they were read."""
    b = await bench(reads=True).ready()
    b.slot.assign([lease(0)])
    b.process.say(Loaded(7, 1.0))
    b.process.end(3)
    assert b.heard.take()[0][:4] == ("done", 0, Cause.EXIT, 7)


@pytest.mark.parametrize("run_limit", [1.0, 100.0])
async def test_loading_the_script_has_a_time_limit(bench: Callable[..., Bench], run_limit: float) -> None:
    """init() has a limit of its own, whatever run() may take."""
    b = bench(run_limit=run_limit)
    await b.slot.start()
    b.pass_time(30.0)
    assert b.process.alive
    b.pass_time(0.1)
    [(what, cause, message)] = b.heard.take()
    assert (what, cause) == ("broken", Cause.INIT)
    assert "init()" in message


@pytest.mark.parametrize(("returncode", "cause"), [(0, Cause.EXIT), (3, Cause.EXIT), (KILLED, Cause.SIGNAL)])
async def test_death_in_run(
    bench: Callable[..., Bench], lease: Callable[..., Lease], returncode: int, cause: Cause
) -> None:
    """The first mini-batch is a failed attempt with the reason that was seen; the others were never started."""
    b = await bench().ready()
    b.slot.assign([lease(0), lease(1), lease(2)])
    b.process.end(returncode)
    assert [event[:3] for event in b.heard.take()] == [("unstarted", [1, 2]), ("done", 0, cause), ("died",)]
    assert not b.slot.busy
    assert b.slot.room(9) == 0, "there is no process now"


async def test_death_while_idle(bench: Callable[..., Bench]) -> None:
    """No attempt is charged for it; the node hears that the process was of no use."""
    b = await bench().ready()
    b.process.end(1)
    assert [event[:2] for event in b.heard.take()] == [("broken", Cause.EXIT)]


async def test_death_in_init(bench: Callable[..., Bench]) -> None:
    """What the script said about itself is the reason, else the exit code; either way it is about starting."""
    b = bench()
    await b.slot.start()
    b.process.say(StartFailed(Failure(Cause.INIT, "ValueError: no model")))
    b.process.end(1)
    assert b.heard.take() == [("broken", Cause.INIT, "ValueError: no model")]
    await b.slot.start()
    b.process.end(KILLED)
    [(what, cause, message)] = b.heard.take()
    assert (what, cause) == ("broken", Cause.INIT)
    assert "SIGKILL" in message
    assert b.slot.useless_starts == 2


async def test_a_new_process_starts_afresh(bench: Callable[..., Bench], lease: Callable[..., Lease]) -> None:
    """A replacement has a new name and new time, and nothing of its predecessor's fate."""
    b = await bench().ready()
    b.slot.assign([lease(0)])
    b.pass_time(11)
    await b.ready()
    assert (b.slot.process_name, b.process.name) == ("process001", "process001")
    b.slot.assign([lease(1)])
    b.pass_time(9)
    b.done(9)
    b.process.end(0)
    assert [event[:2] for event in b.heard.take()] == [("done", 1), ("broken", Cause.EXIT)]


@pytest.mark.parametrize(
    ("average", "number"),
    [(1.0, 1), (0.25, 1), (0.2, 2), (0.05, 5), (0.01, 21), (0.001, 201), (0.0001, 513), (0.0, 513)],
)
def test_how_many_a_slot_should_hold(average: float, number: int) -> None:
    """One when they are long, some time ahead when they are short, never without bound."""
    assert wanted(average) == number


async def test_room_adapts(bench: Callable[..., Bench], lease: Callable[..., Lease]) -> None:
    """No room before it is ready; one at first; more when mini-batches prove short, once a quarter of them is done;
    none when stopping."""
    b = bench()
    assert b.slot.room(99) == 0
    await b.slot.start()
    assert b.slot.room(99) == 0
    b.process.say(Ready(0.1))
    assert b.slot.room(99) == 1
    b.slot.assign([lease(0)])
    assert b.slot.room(99) == 0
    b.done(0.01)
    assert (b.slot.average, b.slot.room(99)) == (0.01, 21)
    b.slot.assign([lease(index) for index in range(1, 22)])
    rooms = []
    for _ in range(21):
        b.done(0.01)
        rooms.append(b.slot.room(99))
    assert rooms == [*[0] * 5, *range(6, 22)]
    for _ in range(40):
        b.slot.assign([lease(9)])
        b.done(2.0)
    assert b.slot.room(99) == 1
    b.slot.stop()
    assert b.slot.room(99) == 0


async def test_no_slot_holds_more_than_its_share(bench: Callable[..., Bench], lease: Callable[..., Lease]) -> None:
    """However many it wants: others want some, too."""
    b = await bench().ready()
    b.slot.assign([lease(0)])
    b.done(0.001)
    assert [b.slot.room(share) for share in (1, 7, 999)] == [1, 7, 201]
    b.slot.assign([lease(index) for index in range(3)])
    assert (b.slot.holds, [b.slot.room(share) for share in (1, 3, 4, 5)]) == (3, [0, 0, 1, 2])


async def test_killing_gives_everything_back(bench: Callable[..., Bench], lease: Callable[..., Lease]) -> None:
    """What a slot was working on when its node leaves is nobody's failure."""
    b = await bench().ready()
    b.slot.assign([lease(0), lease(1)])
    b.slot.kill()
    assert b.heard.take() == [("unstarted", [0, 1]), ("stopped", None)]
    assert not b.slot.busy


async def test_stopping_before_it_is_ready(bench: Callable[..., Bench]) -> None:
    """A process that still loads is ended; a slot that never started has stopped already."""
    never = bench()
    never.slot.stop()
    assert never.heard.take() == [("stopped", None)]
    await never.slot.ended()
    b = bench()
    await b.slot.start()
    b.slot.stop()
    assert not b.process.alive
    assert b.heard.take() == [("stopped", None)]


async def test_shutdown_has_a_time_limit(bench: Callable[..., Bench]) -> None:
    """A shutdown() that hangs is ended, and that is told; so is a process that does not end after it, silently."""
    b = await bench().ready()
    b.slot.stop()
    b.pass_time(SHUTDOWN_LIMIT)
    assert b.process.alive
    b.pass_time(0.1)
    assert b.heard.take() == [("stopped", Cause.SHUTDOWN)]
    b = await bench().ready()
    b.slot.stop()
    b.pass_time(1)
    b.process.say(Stopped())
    b.pass_time(EXIT_LIMIT + 0.1)
    assert not b.process.alive
    assert b.heard.take() == [("stopped", None)]


async def test_a_process_that_cannot_be_started(manual_clock: Any) -> None:
    """The error comes out, and nobody waits for the end of what never was."""

    class Stillborn(Twin):
        async def start(self) -> None:
            raise OSError("no more processes")

        async def ended(self) -> None:
            raise AssertionError("waited for")

    def process(name: str, on_answer: Callable[[Answer], None], on_end: Callable[[int], None]) -> Any:
        return Stillborn(name, on_answer, on_end)

    slot = Slot(process, lambda: "p", Heard(), manual_clock, run_limit=1.0, load_limit=1.0, init_limit=1.0, reads=False)
    with pytest.raises(OSError, match="no more processes"):
        await slot.start()
    slot.kill()
    slot.check_time()
    await slot.ended()


def test_frames_carry_every_answer() -> None:
    """What a slot says is what the node hears, with all its fields."""
    failure = Failure(Cause.BAD_RETURN, "caf\udcff", "Traceback")
    whole = Done(3, 2, 0.5, 1.5, 7, b"rows\n", "a,b\n", ("out/x",), failure)
    frames = [
        (protocol.ready_frame(0.25), Ready(0.25)),
        (protocol.start_failed_frame(failure), StartFailed(failure)),
        (protocol.loaded_frame(3, 0.5), Loaded(3, 0.5)),
        (whole.frame(), whole),
        (Done(1, 1, 0.0, 0.0).frame(), Done(1, 1, 0.0, 0.0)),
        (protocol.stopped_frame(None, ["out/y"]), Stopped(None, ("out/y",))),
        (protocol.stopped_frame(failure, []), Stopped(failure)),
    ]
    buffer = FrameBuffer()
    stream = b"".join(frame for frame, _ in frames)
    heard = [protocol.answer(*found) for at in range(0, len(stream), 7) for found in buffer.feed(stream[at : at + 7])]
    assert heard == [answer for _, answer in frames]


async def _behind_a_slow_one(bench: Callable[..., Bench], lease: Callable[..., Lease]) -> Bench:
    """A slot of quick mini-batches, whose current one has run for a second, with two behind it."""
    b = await bench().ready()
    b.slot.assign([lease(0)])
    b.done(0.001)
    b.heard.take()
    b.slot.assign([lease(1), lease(2), lease(3)])
    b.pass_time(1.0)
    return b


async def test_nothing_waits_behind_a_slow_mini_batch(bench: Callable[..., Bench], lease: Callable[..., Lease]) -> None:
    """What was handed over after it is taken back for others, once; the slot gets nothing until its process knows."""
    b = await _behind_a_slow_one(bench, lease)
    assert [h.message.index for h in b.slot.revoke()] == [2, 3]
    assert b.process.given[-1] == ("withdraw", 0)
    assert b.slot.revoke() == []
    b.done(1.0)
    assert (b.slot.busy, b.slot.room(9)) == (False, 0)
    b.process.say(Revoked())
    assert b.slot.room(9) > 0
    assert [event[:2] for event in b.heard.take()] == [("done", 1)]


async def test_what_was_started_before_the_process_knew_is_dropped(
    bench: Callable[..., Bench], lease: Callable[..., Lease]
) -> None:
    """Somebody else has it: its answer counts for nothing, and the slot goes on."""
    b = await _behind_a_slow_one(bench, lease)
    b.slot.revoke()
    b.done(1.0)
    b.heard.take()
    b.done(0.001)
    b.process.say(Revoked())
    assert b.heard.take() == []
    b.slot.assign([lease(4)])
    b.done(0.001)
    assert [event[:2] for event in b.heard.take()] == [("done", 4)]


@pytest.mark.parametrize("seconds", [0.2, 10.1])
async def test_a_process_that_dies_with_what_was_withdrawn(
    bench: Callable[..., Bench], lease: Callable[..., Lease], seconds: float
) -> None:
    """By itself or at a time limit: it is replaced, and no mini-batch has failed."""
    b = await _behind_a_slow_one(bench, lease)
    b.slot.revoke()
    b.done(1.0)
    b.heard.take()
    b.pass_time(seconds)
    b.pass_time(5.0)
    b.process.end(-11)
    assert b.heard.take() == [("died",)]
    assert not b.slot.busy


async def test_a_slow_process_that_dies_has_failed_its_own_mini_batch_alone(
    bench: Callable[..., Bench], lease: Callable[..., Lease]
) -> None:
    """What was withdrawn is not given up, and does not come back a second time."""
    b = await _behind_a_slow_one(bench, lease)
    b.slot.revoke()
    b.process.end(-11)
    assert [event[:3] for event in b.heard.take()] == [("done", 1, Cause.SIGNAL), ("died",)]


async def test_long_mini_batches_are_no_reason_to_take_back(
    bench: Callable[..., Bench], lease: Callable[..., Lease]
) -> None:
    """Nothing is taken back before the running one is far over the usual, or where nothing waits."""
    b = await bench().ready()
    b.slot.assign([lease(0)])
    b.done(2.0)
    b.slot.assign([lease(1), lease(2)])
    b.pass_time(5.9)
    assert b.slot.revoke() == []
    b.pass_time(0.2)
    assert [h.message.index for h in b.slot.revoke()] == [2]
    b.process.say(Revoked())
    b.pass_time(1.0)
    assert b.slot.revoke() == []
