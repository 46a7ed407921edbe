"""The fork server: its copies are like processes of their own, and nothing outlives it or what it was started by."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from fanout.slot.fork_server import Forked, ForkServer
from fanout.slot.protocol import StartFailed

PATIENCE = 20.0
Launch = Callable[..., Any]
WriteScript = Callable[..., Path]
LOOK = """
import json, os, signal, sys, time
def run(mini_batch):
    return [json.dumps({
        "cwd": os.getcwd(), "environ": dict(os.environ), "zone": time.tzname[0], "argv": sys.argv, "path": sys.path,
        "main": sys.modules["__main__"].__spec__.name, "session": os.getsid(0) == os.getpid(),
        "open": sorted(os.readlink(f"/proc/self/fd/{n}").partition(":")[0] for n in os.listdir("/proc/self/fd")
                       if os.path.exists(f"/proc/self/fd/{n}")),
        "flags": str(sys.flags), "interrupt": str(signal.getsignal(signal.SIGINT)), "modules": sorted(sys.modules),
        "stdout": [sys.stdout.encoding, sys.stdout.errors, sys.stdout.line_buffering],
    })]
"""


@pytest.fixture
async def forks() -> AsyncIterator[ForkServer]:
    """A server that `launch` takes slots from."""
    server = ForkServer()
    yield server
    server.close()


async def test_a_copy_finds_what_an_interpreter_of_its_own_would(
    launch: Launch, write_script: WriteScript, forks: ForkServer
) -> None:
    """Folder, variables, time zone, arguments, import path, descriptors, signals, modules: no difference to be seen."""
    write_script(LOOK)
    found = []
    for server in (forks, None):
        environ = {"ANSWER": "é \udcff", "TZ": "Pacific/Auckland"}
        slot = await launch(server=server, environ=environ, arguments=["--a", "b"])
        found.append(json.loads((await slot.run()).rows))
    copied, started = found
    assert copied["environ"]["ANSWER"] == "é \udcff"
    assert copied["zone"] == "NZST"
    assert copied == started


@pytest.mark.parametrize(
    ("changes", "serves"),
    [
        ({}, True),
        ({"ANSWER": "42", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "0", "TZ": "UTC"}, True),
        ({"PYTHONPATH": "/opt/modules"}, False),
        ({"PYTHONHASHSEED": "0"}, False),
        ({"LD_PRELOAD": "/opt/lib.so"}, False),
        ({"MALLOC_ARENA_MAX": "1"}, False),
        ({"LC_ALL": "C"}, False),
        ({"HOME": "/elsewhere"}, False),
    ],
)
def test_what_counts_only_at_the_start_needs_an_interpreter_of_its_own(
    changes: Mapping[str, str], serves: bool
) -> None:
    """Variables of the step that Python or a library reads while it starts; all others a copy can be given."""
    assert ForkServer(BASE).serves(sys.executable, {**BASE, **changes}) is serves


BASE = {"PATH": "/bin", "HOME": "/root", "PYTHONUNBUFFERED": "1"}


def test_what_a_copy_cannot_be() -> None:
    """Another Python; without a variable that the server was started with; where a relative folder means another."""
    server = ForkServer(BASE)
    assert not server.serves("/opt/python", BASE)
    assert not server.serves(sys.executable, {"PATH": "/bin", "HOME": "/root"})
    relative = {**BASE, "PYTHONPATH": "/opt/modules:src"}
    assert not ForkServer(relative).serves(sys.executable, relative)
    absolute = {**BASE, "PYTHONPATH": "/opt/modules:"}
    assert ForkServer(absolute).serves(sys.executable, absolute)


async def test_a_step_with_such_a_variable_is_started_plainly(launch: Launch, write_script: WriteScript) -> None:
    """It is there when it counts."""
    write_script("import sys\ndef run(b): return [sys.flags.dev_mode, sys.flags.hash_randomization]\n")
    slot = await launch(environ={"PYTHONDEVMODE": "1", "PYTHONHASHSEED": "0"})
    assert (await slot.run()).rows == b"True\n0\n"


async def test_a_killed_server_takes_its_slots_with_it_and_is_replaced(
    launch: Launch, write_script: WriteScript
) -> None:
    """What they had started ends, too; each is reported as killed; the next slot comes from a new server."""
    write_script("import os, subprocess\ndef run(b): return [os.getppid(), subprocess.Popen(['sleep', '1000']).pid]\n")
    slots = [await launch(), await launch()]
    rows = [list(map(int, (await slot.run()).rows.split())) for slot in slots]
    [server] = {parent for parent, _ in rows}
    os.kill(server, signal.SIGKILL)
    assert [await slot.ended() for slot in slots] == [-signal.SIGKILL] * 2
    await _gone(slots[0].process.pid, slots[1].process.pid, *(child for _, child in rows))
    again = await launch()
    assert int((await again.run()).rows.split()[0]) != server


async def test_a_server_that_dies_while_it_is_asked(launch: Launch, write_script: WriteScript) -> None:
    """The slot that was asked for is started plainly."""
    write_script("import os\ndef run(b): return [os.getppid()]\n")

    class Dead(ForkServer):
        def launch(self) -> None:
            super().launch()
            assert self._process is not None
            self._process.kill()

    slot = await launch(server=Dead())
    assert (await slot.run()).rows == f"{os.getpid()}\n".encode()


async def test_slots_that_cannot_be_made(tmp_path: Path) -> None:
    """The system's own reason, and the server goes on."""
    server = ForkServer({**os.environ, "PYTHONPATH": str(tmp_path)})
    failing = "def failing():\n    os.fork = fork\n    raise OSError(11, 'no')\n"
    (tmp_path / "sitecustomize.py").write_text(f"import os\nfork = os.fork\n{failing}os.fork = failing\n")
    ours, theirs = socket.socketpair()
    with contextlib.closing(server), ours, theirs, (tmp_path / "out").open("wb") as out:
        files = (theirs.fileno(), out.fileno(), out.fileno())
        with pytest.raises(BlockingIOError, match="Resource temporarily unavailable"):
            await server.fork(files)
        slot = await server.fork(files)
        server.kill(slot)
        assert await _exit_code(slot) == -signal.SIGKILL
        server.kill(slot)  # of one that is gone, nothing happens


async def test_a_slot_that_nobody_waits_for_any_more(tmp_path: Path) -> None:
    """Its start was cut off: it is ended as soon as it is there."""
    server = ForkServer()
    ours, theirs = socket.socketpair()
    with contextlib.closing(server), ours, theirs, (tmp_path / "out").open("wb") as out:
        files = (theirs.fileno(), out.fileno(), out.fileno())
        asking = asyncio.create_task(server.fork(files))
        await asyncio.sleep(0)
        asking.cancel()
        other = await server.fork(files)
        assert asking.cancelled()
        server.kill(other)
        await _exit_code(other)
        async with asyncio.timeout(PATIENCE):
            while server._slots:  # noqa: ASYNC110 - nothing else tells
                await asyncio.sleep(0.01)


async def _exit_code(slot: Forked) -> int:
    async with asyncio.timeout(PATIENCE):
        return await slot.exited


async def test_whatever_becomes_of_its_node(tmp_path: Path) -> None:
    """Killed, it leaves neither the server, nor a slot, nor what that has started."""
    (tmp_path / "score.py").write_text(
        "import os, subprocess, time\nchild = subprocess.Popen(['sleep', '1000'])\n"
        "print(os.getppid(), os.getpid(), child.pid, flush=True)\ntime.sleep(1000)\n"
    )
    node = await asyncio.create_subprocess_exec(sys.executable, "-P", "-c", NODE, str(tmp_path))
    try:
        said = tmp_path / "out"
        async with asyncio.timeout(PATIENCE):
            while not (said.exists() and said.read_text().endswith("\n")):
                assert node.returncode is None
                await asyncio.sleep(0.01)
    finally:
        node.kill()
        await node.wait()
    await _gone(*map(int, said.read_text().split()))


NODE = """
import asyncio, os, sys
from pathlib import Path
from fanout.slot.fork_server import ForkServer
from fanout.slot.protocol import StartOrder
from fanout.slot.process import SlotProcess
from fanout.slot.spawn import Placement

async def main(here: Path) -> None:
    names = ["0", "process000", str(here), {}, str(here), "", "", "INFO", ""]
    start = StartOrder("score.py", str(here), [], "text", None, *names)
    place = Placement(here, dict(os.environ), here / "out", here / "err")
    await SlotProcess(start, place, print, print, ForkServer()).start()
    await asyncio.sleep(1000)

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_a_script_that_cannot_be_loaded(launch: Launch, write_script: WriteScript) -> None:
    """A copy says so like any other slot, and ends with exit code 1; nothing of it stays for the next one."""
    code = write_script("import sys\nsys.modules['left'] = sys\nraise ValueError('no')\n")
    slot = await launch(expect=StartFailed)
    assert await slot.ended() == 1
    (code / "score.py").write_text("import sys\ndef run(b): return ['left' in sys.modules]\n")
    assert (await (await launch()).run()).rows == b"False\n"


async def _gone(*pids: int | None) -> None:
    async with asyncio.timeout(PATIENCE):
        while any(pid is not None and _runs(pid) for pid in pids):  # noqa: ASYNC110 - the kernel tells nobody else
            await asyncio.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_a_stopped_server_is_ended_when_it_is_to_fork(
    launch: Launch, write_script: WriteScript, forks: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It never answers; the slot is an interpreter of its own, and later ones come from another server."""
    monkeypatch.setattr("fanout.slot.fork_server.ANSWER_LIMIT", 0.3)
    write_script("def run(b): return b\n")
    forks.launch()
    first = _server(forks)
    os.kill(first, signal.SIGSTOP)
    slot = await launch(server=forks)
    assert (await slot.run()).succeeded == 2
    assert not _runs(first)
    monkeypatch.undo()
    assert (await (await launch(server=forks)).run()).succeeded == 2
    assert _server(forks) != first


async def test_a_stopped_server_is_ended_when_it_is_to_kill(
    launch: Launch, write_script: WriteScript, forks: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a slot that died, or is at its time limit, would hold its mini-batch for as long as that is stopped."""
    monkeypatch.setattr("fanout.slot.fork_server.END_LIMIT", 0.3)
    write_script("import time\ndef run(b): time.sleep(1e6)\n")
    slot = await launch(server=forks)
    slot.assign()
    server = _server(forks)
    os.kill(server, signal.SIGSTOP)
    os.kill(slot.process.pid, signal.SIGKILL)
    slot.process.kill()
    assert await slot.ended() == -signal.SIGKILL
    assert not _runs(server)


def _server(forks: ForkServer) -> int:
    assert forks._process is not None
    return forks._process.pid
