"""A node's process from its engine's side, and the one that is started before its step is known."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from fanout.engines import node_process
from fanout.engines.node_process import NodeProcess, WarmNode

PATIENCE = 30.0
TELLING = "import sys; print(repr(sys.stdin.readline()), file=sys.stderr); sys.exit(3)"


async def _ended(node: NodeProcess) -> int:
    async with asyncio.timeout(PATIENCE):
        return await node.ended()


async def test_what_is_said_and_how_it_ends() -> None:
    """A line in, the last line out, and the exit code."""
    node = NodeProcess([sys.executable, "-c", TELLING], {})
    node.send(b"finish\n")
    assert (await _ended(node), node.output) == (3, "'finish\\n'")


async def test_a_process_that_is_killed() -> None:
    """Its signal is what is told; what is said to it is lost."""
    node = NodeProcess([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], {})
    assert await _ended(node) == -signal.SIGKILL
    assert node.output == ""


async def test_words_to_one_that_is_dead_are_lost() -> None:
    """Nothing is raised: its end tells."""
    node = NodeProcess([sys.executable, "-c", "import os; os.close(0); os.write(2, b'gone'); os._exit(1)"], {})
    ending = asyncio.create_task(_ended(node))
    while node.output != "gone":  # noqa: ASYNC110 - no event to hear
        await asyncio.sleep(0)
    node.send(b"finish\n")
    assert await ending == 1


async def test_waiting_that_is_cut_off_ends_the_process() -> None:
    """No process without somebody who waits for it, and no descriptor of it."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    node = NodeProcess([sys.executable, "-c", "import time; time.sleep(1000)"], {})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await node.ended()
    assert node._process.returncode == -signal.SIGKILL
    assert len(list(Path("/proc/self/fd").iterdir())) == before


async def test_a_warm_node_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its arguments come as a line of JSON, to whoever takes it first; there is no second one."""
    monkeypatch.setattr(node_process, "NODE", (sys.executable, "-c", TELLING))
    warm = WarmNode({})
    node = warm.take(["run", "step é"])
    assert node is not None
    assert warm.take(["run", "other"]) is None
    warm.dismiss()
    assert (await _ended(node), node.output) == (3, repr('["run", "step \\u00e9"]\n'))


async def test_a_warm_node_that_nobody_takes_leaves() -> None:
    """Dismissed it is gone; without anybody to dismiss it, it leaves by itself, and without a word."""
    warm = WarmNode({})
    assert warm._node is not None
    warm.dismiss()
    warm.dismiss()
    assert warm.take([]) is None
    left = NodeProcess(node_process.NODE, {})
    assert left._process.stdin is not None
    left._process.stdin.close()
    assert (await _ended(left), left.output) == (0, "")


async def test_a_warm_node_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody hears of it: who wants a node starts one then, and tells why there can be none."""
    monkeypatch.setattr(node_process, "NODE", (str(tmp_path / "no-such-python"),))
    warm = WarmNode(dict(os.environ))
    assert warm.take(["run", "step"]) is None
    warm.dismiss()


@pytest.mark.parametrize("tables", [False, True])
async def test_a_node_without_arguments_does_what_it_is_told_later(tmp_path: Path, tables: bool) -> None:
    """As with arguments: without a run in the store it says so."""
    warm = WarmNode({}, tables=tables)
    node = warm.take(["r", "s", "--round", "1", "--store", f"file://{tmp_path}/store"])
    assert node is not None
    assert await _ended(node) == 3
    assert "there is no step s of a run r in this store" in node.output
