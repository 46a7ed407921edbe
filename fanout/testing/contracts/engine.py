"""What every engine promises through `fanout.engines.base.Placer`, as tests.

class TestMyEngine(PlacerContract):
    @pytest.fixture
    def bench(self, tmp_path):
        return EngineBench(lambda: MyPlacer(...), sys.executable, tmp_path)
"""

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fanout.engines.base import ALIVE, Placer, Resources, Seen, State, Wanted
from fanout.node.exit_codes import DRAINED
from fanout.storage.keys import StepRound

PRELUDE = """
import os, pathlib, signal, sys, time
here = pathlib.Path(os.environ["HERE"])
(here / f"born-{os.getpid()}-{time.monotonic_ns()}").write_text(str(os.getpid()))
"""
DRAINS = f"signal.signal(signal.SIGTERM, lambda *_: sys.exit({DRAINED}))\n(here / 'ready').touch()\ntime.sleep(600)"
STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n(here / 'ready').touch()\ntime.sleep(600)"


@dataclass(slots=True)
class EngineBench:
    """What the suite needs of an engine.

    `make` makes placers of it; nodes have `python` and see `folder`. `same_pids`: process ids of nodes are those of
    this machine. `patience`: seconds that the engine may take for anything, on a loaded machine.
    """

    make: Callable[[], Placer]
    python: str
    folder: Path
    resources: Resources = field(default_factory=Resources)
    same_pids: bool = True
    patience: float = 90.0
    placed: list[Wanted] = field(default_factory=list)

    def wanted(self, text: str, grace: float = 20.0) -> Wanted:
        """Nodes that run this Python text, with a group of their own."""
        at = StepRound(f"Contract_{uuid.uuid4().hex[:8]}", "score")
        environ = {"HERE": str(self.folder), "SECRET_WORD": "s3cr3t 'quoted' $HOME"}
        command = (self.python, "-c", PRELUDE + text)
        wanted = Wanted(at, command, environ, self.resources, (str(self.folder),), grace=grace)
        self.placed.append(wanted)
        return wanted

    def born(self) -> list[int]:
        """The process ids of all nodes so far."""
        return [int(path.read_text() or 0) for path in sorted(self.folder.glob("born-*"))]


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Returns when it holds; TimeoutError after so many seconds."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - other processes make it so
            await asyncio.sleep(0.2)


@pytest.mark.asyncio
class PlacerContract:
    """The suite. A subclass in a test module brings the fixture `bench`."""

    @pytest.fixture
    async def placer(self, bench: EngineBench) -> AsyncIterator[Placer]:
        """A placer; nothing that it has placed is left after the test."""
        made = bench.make()
        yield made
        for wanted in bench.placed:
            await made.remove(wanted, tuple(await made.look(wanted)))

            async def gone(wanted: Wanted = wanted) -> bool:
                return not any(seen.state in ALIVE for seen in (await made.look(wanted)).values())

            await eventually(gone, bench.patience)
            await made.remove(wanted, tuple(await made.look(wanted)))
        await made.close()

    async def test_what_is_placed_is_shown_under_its_number(self, bench: EngineBench, placer: Placer) -> None:
        """Each runs some time later; before anything is placed nothing is shown."""
        wanted = bench.wanted("time.sleep(600)")
        assert await placer.look(wanted) == {}
        await placer.place(wanted, range(2))
        await until(bench, placer, wanted, lambda seen: states(seen) == {0: State.RUNNING, 1: State.RUNNING})

    async def test_placing_twice_is_no_harm(self, bench: EngineBench, placer: Placer) -> None:
        """There is one node of each number, also when another process places it, too; that sees them all."""
        wanted = bench.wanted(DRAINS)
        await placer.place(wanted, [3])
        await until(bench, placer, wanted, lambda seen: states(seen) == {3: State.RUNNING})
        other = bench.make()
        try:
            assert set(await other.look(wanted)) == {3}
            await other.place(wanted, [3, 4])
            await until(bench, other, wanted, lambda seen: states(seen) == {3: State.RUNNING, 4: State.RUNNING})
        finally:
            await other.close()
        await eventually(lambda: holds(len(bench.born()) == 2), bench.patience)

    async def test_the_end_of_a_node(self, bench: EngineBench, placer: Placer) -> None:
        """Its exit code, and the last line that it has written to stderr."""
        wanted = bench.wanted("print('first', file=sys.stderr)\nprint('no such store', file=sys.stderr)\nsys.exit(42)")
        await placer.place(wanted, [0])
        seen = await until(bench, placer, wanted, lambda seen: states(seen) == {0: State.ENDED})
        assert (seen[0].exit_code, seen[0].reason) == (42, "no such store")
        await placer.place(wanted, [0])
        assert len(bench.born()) == 1, "one that has been there is not placed again"

    async def test_variables_arrive_as_they_are(self, bench: EngineBench, placer: Placer) -> None:
        """With quotes and dollars; and no command line of a node shows their values."""
        text = "(here / 'word').write_text(os.environ['SECRET_WORD'])\nsys.exit(0)"
        wanted = bench.wanted(text)
        await placer.place(wanted, [0])
        seen = await until(bench, placer, wanted, lambda seen: states(seen) == {0: State.ENDED})
        assert seen[0].exit_code == 0
        assert (bench.folder / "word").read_text() == wanted.environ["SECRET_WORD"]

    async def test_a_removed_node_may_drain(self, bench: EngineBench, placer: Placer) -> None:
        """It gets SIGTERM; when it has ended, nothing of it is left after another remove."""
        wanted = bench.wanted(DRAINS)
        await placer.place(wanted, [0])
        await eventually(lambda: holds((bench.folder / "ready").exists()), bench.patience)
        await until(bench, placer, wanted, lambda seen: states(seen) == {0: State.RUNNING})
        await placer.remove(wanted, [0, 7])
        seen = await until(bench, placer, wanted, lambda seen: not alive(seen))
        assert {one.exit_code for one in seen.values()} <= {DRAINED}
        await placer.remove(wanted, [0])

    async def test_a_stubborn_node_is_killed(self, bench: EngineBench, placer: Placer) -> None:
        """After the grace period it is gone, whatever it does about SIGTERM."""
        wanted = bench.wanted(STUBBORN, grace=1.0)
        await placer.place(wanted, [0])
        await eventually(lambda: holds((bench.folder / "ready").exists()), bench.patience)
        await until(bench, placer, wanted, lambda seen: states(seen) == {0: State.RUNNING})
        await placer.remove(wanted, [0])
        await until(bench, placer, wanted, lambda seen: not alive(seen))
        if bench.same_pids:
            await eventually(lambda: holds(not any(map(_lives, bench.born()))), bench.patience)

    async def test_a_killed_node_is_not_alive(self, bench: EngineBench, placer: Placer) -> None:
        """Its signal is the reason."""
        wanted = bench.wanted("os.kill(os.getpid(), signal.SIGKILL)")
        await placer.place(wanted, [0])
        seen = await until(bench, placer, wanted, lambda seen: bool(seen) and not alive(seen))
        assert seen[0].exit_code in (-signal.SIGKILL, None)

    async def test_problems_are_what_the_place_says(self, bench: EngineBench, placer: Placer) -> None:
        """The command is asked where nodes would run; no line is no problem."""
        wanted = bench.wanted("")
        assert list(await placer.problems(wanted, (bench.python, "-c", "pass"))) == []


async def until(
    bench: EngineBench, placer: Placer, wanted: Wanted, holds_for: Callable[[Mapping[int, Seen]], bool]
) -> Mapping[int, Seen]:
    """What the placer shows, as soon as it is so."""
    seen: Mapping[int, Seen] = {}

    async def look() -> bool:
        nonlocal seen
        seen = await placer.look(wanted)
        return holds_for(seen)

    try:
        await eventually(look, bench.patience)
    except TimeoutError as exc:
        raise AssertionError(f"still {seen}") from exc
    return seen


async def holds(fact: bool) -> bool:
    """The fact, to be awaited."""
    return fact


def states(seen: Mapping[int, Seen]) -> dict[int, State]:
    """The state of each placement."""
    return {number: one.state for number, one in seen.items()}


def alive(seen: Mapping[int, Seen]) -> list[int]:
    """The numbers of those that wait or run."""
    return [number for number, one in seen.items() if one.state in ALIVE]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
