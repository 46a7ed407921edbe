"""The local engine: nodes are kept while there is work, told when there is none, and never left behind."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from fanout.engines import local, roster
from fanout.engines.local import LocalEngine, local_nodes
from fanout.engines.node_process import NodeProcess
from fanout.engines.placed import PlacedNodes
from fanout.errors import DiskFullError
from fanout.node.exit_codes import DRAINED, FULL, GAVE_UP
from fanout.pipeline.model import EntryTask, ParallelStep
from fanout.slot.out_of_memory import OomKills, of_node
from fanout.storage.keys import StepRound

PATIENCE = 30.0
AT = StepRound("r", "s")
OBEDIENT = """
for line in sys.stdin:
    (here / f"told-{os.getpid()}").write_text(line)
    sys.exit(0)
"""


@pytest.fixture
def nodes(tmp_path: Path) -> Callable[..., object]:
    """Keeps processes that run this Python text, which notes its birth first."""

    @asynccontextmanager
    async def keep(text: str, count: int = 1, kills: OomKills | None = None) -> AsyncIterator[PlacedNodes]:
        prelude = "import os, pathlib, signal, sys, time\nhere = pathlib.Path(os.environ['HERE'])\n"
        prelude += "(here / f'born-{os.getpid()}').touch()\n"
        command = [sys.executable, "-c", prelude + dedent(text)]
        found = local_nodes(lambda: NodeProcess(command, {"HERE": str(tmp_path)}), count, AT, kills)
        await found.start()
        try:
            yield found
        finally:
            await found.stop()

    return keep


def _pids(folder: Path, what: str) -> list[int]:
    return sorted(int(path.name.rpartition("-")[2]) for path in folder.glob(f"{what}-*"))


async def _eventually(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - another process makes it so, without telling us
            await asyncio.sleep(0.01)


def _runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_nodes_are_told_to_finish(nodes: Callable[..., PlacedNodes], tmp_path: Path) -> None:
    """Each of them hears `finish`, and the engine waits until they have left."""
    async with nodes(OBEDIENT, count=3) as kept:
        await _eventually(lambda: len(_pids(tmp_path, "born")) == 3)
        assert kept.trouble() is None
        await kept.finish()
        assert _pids(tmp_path, "told") == _pids(tmp_path, "born")
        assert {path.read_text() for path in tmp_path.glob("told-*")} == {"finish\n"}
        assert kept.trouble() is None, "leaving on purpose is no trouble"


async def test_a_node_that_the_kernel_kills_for_memory_is_told_of(
    nodes: Callable[..., PlacedNodes], tmp_path: Path
) -> None:
    """At once, while others go on, and with what needs less memory; any other kill is no news."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/vmstat").write_text("oom_kill 4\n")
    async with nodes(OBEDIENT, kills=OomKills(tmp_path)) as kept:
        await _eventually(lambda: _pids(tmp_path, "born"))
        [first] = _pids(tmp_path, "born")
        os.kill(first, signal.SIGKILL)
        await _eventually(lambda: len(_pids(tmp_path, "born")) == 2)
        assert kept.news() == []
        (tmp_path / "proc/vmstat").write_text("oom_kill 5\n")
        [second] = set(_pids(tmp_path, "born")) - {first}
        os.kill(second, signal.SIGKILL)
        await _eventually(lambda: len(_pids(tmp_path, "born")) == 3)
        [told] = kept.news()
        assert told == of_node(OomKills(tmp_path))
        assert kept.news() == []


async def test_a_node_that_dies_is_replaced(nodes: Callable[..., PlacedNodes], tmp_path: Path) -> None:
    """Killed, it is followed by another; the others are not touched."""
    async with nodes(OBEDIENT) as kept:
        await _eventually(lambda: _pids(tmp_path, "born"))
        [first] = _pids(tmp_path, "born")
        os.kill(first, signal.SIGKILL)
        await _eventually(lambda: len(_pids(tmp_path, "born")) == 2)
        assert kept.trouble() is None


async def test_nodes_that_die_at_once_are_trouble_in_the_end(
    nodes: Callable[..., PlacedNodes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some useless lives nobody is started any more, and the last words say why."""
    monkeypatch.setattr(roster, "MOST_QUICK_DEATHS", 2)
    async with nodes("sys.stderr.write('WARNING something\\nno such store\\n')\nsys.exit(3)") as kept:
        await _eventually(kept.trouble)
        assert kept.trouble() == "no node is left: no such store"
        assert len(_pids(tmp_path, "born")) == 3


async def test_a_death_without_words(nodes: Callable[..., PlacedNodes], monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal is the reason when nothing was said."""
    monkeypatch.setattr(roster, "MOST_QUICK_DEATHS", 0)
    async with nodes("os.kill(os.getpid(), signal.SIGSEGV)") as kept:
        await _eventually(kept.trouble)
        assert kept.trouble() == "no node is left: a node was killed by signal 11"


async def test_a_death_after_words(nodes: Callable[..., PlacedNodes], monkeypatch: pytest.MonkeyPatch) -> None:
    """What was said before a signal is told, but is not the reason."""
    monkeypatch.setattr(roster, "MOST_QUICK_DEATHS", 0)
    async with nodes("print('WARNING slow', file=sys.stderr)\nos.kill(os.getpid(), signal.SIGKILL)") as kept:
        await _eventually(kept.trouble)
        assert kept.trouble() == "no node is left: a node was killed by signal 9; the last it said: WARNING slow"


async def test_a_node_that_found_no_room_is_no_verdict(nodes: Callable[..., PlacedNodes], tmp_path: Path) -> None:
    """None is started in its place, and the step is not failed: with room it goes on."""
    async with nodes(f"print('no space left in /x', file=sys.stderr)\nsys.exit({FULL})", count=2) as kept:

        def says_so() -> bool:
            try:
                return kept.trouble() is not None
            except DiskFullError as exc:
                assert str(exc) == "no space left in /x"
                return True

        await _eventually(says_so)
        with pytest.raises(DiskFullError, match="no space left in /x"):
            kept.trouble()
        assert len(_pids(tmp_path, "born")) == 2


@pytest.mark.parametrize("returncode", [0, GAVE_UP])
async def test_a_node_that_leaves_for_a_reason_is_not_replaced(
    nodes: Callable[..., PlacedNodes], tmp_path: Path, returncode: int
) -> None:
    """The step is over, or the script cannot be started here: another would only leave again."""
    async with nodes(f"sys.exit({returncode})", count=2) as kept:
        await _eventually(kept.trouble)
        assert len(_pids(tmp_path, "born")) == 2


async def test_a_node_that_was_asked_to_leave_is_replaced(nodes: Callable[..., PlacedNodes], tmp_path: Path) -> None:
    """Drained by a signal while its step goes on: the step still wants as many nodes as it asked for."""
    text = "if len(list(here.glob('born-*'))) == 1: sys.exit(local_drained)\n" + OBEDIENT
    async with nodes(text.replace("local_drained", str(DRAINED))) as kept:
        await _eventually(lambda: len(_pids(tmp_path, "born")) == 2)
        assert kept.trouble() is None


async def test_deaths_after_long_lives_do_not_add_up(
    nodes: Callable[..., PlacedNodes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every second node lives long enough, so that no two quick deaths follow each other, and nobody gives up."""
    monkeypatch.setattr(roster, "MOST_QUICK_DEATHS", 1)
    monkeypatch.setattr(roster, "QUICK_DEATH", 0.5)
    async with nodes("time.sleep(0.5 * (len(list(here.glob('born-*'))) % 2 == 0))\nsys.exit(3)") as kept:
        await _eventually(lambda: len(_pids(tmp_path, "born")) >= 5)
        assert kept.trouble() is None


async def test_a_node_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    """No process can be made of the command: said with the system's own reason, and not tried for ever."""
    found = local_nodes(lambda: NodeProcess([str(tmp_path / "no-such-python")], {}), 1, AT)
    await found.start()
    async with asyncio.timeout(PATIENCE):
        while found.trouble() is None:  # noqa: ASYNC110 - no event to hear
            await asyncio.sleep(0)
    assert "a node cannot be started: [Errno 2] No such file or directory" in str(found.trouble())
    await found.stop()


async def test_much_on_standard_error_blocks_nobody(nodes: Callable[..., PlacedNodes]) -> None:
    """A talkative node is read to its end, and only its last words are kept."""
    text = "for n in range(100_000): sys.stderr.write(f'warning {n}\\n')\nsys.exit(local_gave_up)"
    async with nodes(text.replace("local_gave_up", str(GAVE_UP))) as kept:
        await _eventually(kept.trouble)
        assert kept.trouble() == "no node is left: warning 99999"


async def test_none_is_left_behind(
    nodes: Callable[..., PlacedNodes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that does not listen is ended after a while, however stubborn."""
    monkeypatch.setattr(local, "STOP_LIMIT", 0.2)
    async with nodes("signal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(1000)", count=2):
        await _eventually(lambda: len(_pids(tmp_path, "born")) == 2)
    assert not any(map(_runs, _pids(tmp_path, "born")))


async def test_nodes_that_were_never_there(tmp_path: Path) -> None:
    """Without a run in the store every node says so, and that is what the step's verdict will say."""
    engine = LocalEngine(f"file://{tmp_path}/store", None, {})
    step = ParallelStep(name="s", task=EntryTask("score.py"), input_data="names")
    async with engine.nodes(AT, step) as kept:
        await _eventually(kept.trouble)
        reason = kept.trouble()
    assert reason is not None
    assert "there is no step s of a run r in this store" in reason


async def test_a_node_ends_with_its_engine(tmp_path: Path) -> None:
    """The other end of a node's standard input is held by its engine: when that closes, nobody waits for the node."""
    from fanout.node.serve import _parent

    class Drained:
        grace: float | None = None

        def drain(self, grace: float | None = None) -> None:
            self.grace = grace

    node = Drained()
    ours, theirs = os.pipe()
    with os.fdopen(ours) as reading, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", reading)
        with _parent(node, True):  # type: ignore[arg-type]
            os.close(theirs)
            await _eventually(lambda: node.grace is not None)
