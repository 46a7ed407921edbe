"""A slot's process from outside, started for real: its frames, its prints, its end and that of all it has started."""

import asyncio
import contextlib
import os
import select
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from fanout.results.codec import Cause
from fanout.slot import protocol
from fanout.slot.fork_server import ForkServer
from fanout.slot.process import SlotProcess, death
from fanout.slot.protocol import Done, ProtocolViolation, Ready, Stopped, Task, WakeUp
from fanout.slot.spawn import Placement

PATIENCE = 20.0
Launch = Callable[..., Any]
WriteScript = Callable[..., Path]


@pytest.fixture(params=["started", "copied"])
async def forks(request: pytest.FixtureRequest) -> AsyncIterator[ForkServer | None]:
    """Both ways in which a process comes to be keep the same promises."""
    server = ForkServer() if request.param == "copied" else None
    yield server
    if server is not None:
        server.close()


async def test_prints_are_kept(launch: Launch, write_script: WriteScript) -> None:
    """Both streams go to files, a line as soon as it is complete, the rest at the end, and odd characters escaped."""
    write_script(
        """
        import sys
        def run(mini_batch):
            print("out é \\udcff")
            print("err", file=sys.stderr)
            print("no newline", end="")
            return mini_batch
        """
    )
    slot = await launch()
    await slot.run()
    assert slot.stdout.read_text().splitlines()[0] == "out é \\udcff"
    assert slot.stderr.read_text() == "err\n"
    await slot.stop()
    assert slot.stdout.read_text().endswith("no newline")


async def test_answers_count_although_a_write_fails_before_they_are_read(
    launch: Launch, write_script: WriteScript
) -> None:
    """A slot that dies in its second mini-batch has answered the first, even when the node writes to it meanwhile."""
    write_script("import os\ndef run(batch, context):\n    if context.minibatch_index: os._exit(3)\n    return batch\n")
    slot = await launch()
    pid = slot.process.pid
    assert pid is not None
    for index in (0, 1, 2):
        slot.assign(index)
    _wait_for_the_end_without_the_loop(pid)
    for index in range(3, 30):
        slot.assign(index)  # fails, and asyncio closes the connection
    assert await slot.ended() == 3
    assert sum(isinstance(answer, Done) for answer in slot.answers) == 1


async def test_a_start_that_is_cut_off_has_an_end(
    tmp_path: Path,
    start_order: Callable[..., Any],
    forks: ForkServer | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A node that leaves while its slots begin waits for their end, which comes: it is not left behind for ever."""
    connecting, codes = asyncio.Event(), list[int]()

    async def connect(*_: object, **__: object) -> None:
        connecting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", connect)
    place = Placement(tmp_path, dict(os.environ), tmp_path / "out.txt", tmp_path / "err.txt")
    process = SlotProcess(start_order(), place, lambda _: None, codes.append, forks)
    starting = asyncio.create_task(process.start())
    await connecting.wait()
    starting.cancel()
    process.kill()
    async with asyncio.timeout(PATIENCE):
        await process.ended()
    assert len(codes) == 1


def _wait_for_the_end_without_the_loop(pid: int) -> None:
    """Returns when the process is dead; blocks, so that nothing of it has been read yet."""
    with contextlib.suppress(ProcessLookupError), os.fdopen(os.pidfd_open(pid)) as process:
        select.select([process], [], [])


@pytest.mark.parametrize(
    ("body", "returncode"),
    [
        ("os._exit(0)", 0),
        ("os._exit(7)", 7),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("signal.raise_signal(signal.SIGSEGV)", -signal.SIGSEGV),
    ],
)
async def test_the_death_of_the_process_is_seen_as_it_was(
    launch: Launch, write_script: WriteScript, body: str, returncode: int
) -> None:
    """Exit code or signal, at once, and answers given before it still count."""
    write_script(
        f"import os, signal\ndef run(batch, context):\n    if context.minibatch_index: {body}\n    return batch\n"
    )
    slot = await launch()
    slot.assign(0)
    slot.assign(1)
    assert await slot.ended() == returncode
    assert sum(isinstance(answer, Done) for answer in slot.answers) == 1
    assert slot.process.pid is not None
    slot.process.kill()  # of a process that is gone, nothing happens


def test_a_death_in_words() -> None:
    """The reason says what was seen, and guesses only as advice."""
    assert death(3).message == "the slot's process ended by itself with exit code 3"
    assert death(-11).message == "the slot's process was killed by SIGSEGV"
    assert "memory may have run out" in death(-9).message
    assert death(-60).cause is Cause.SIGNAL


async def test_killing_takes_the_whole_group(launch: Launch, write_script: WriteScript) -> None:
    """An endless loop ends, and so does what it has started."""
    write_script(
        """
        import subprocess
        def run(mini_batch):
            child = subprocess.Popen(["sleep", "1000"])
            print(child.pid)
            while True: pass
        """
    )
    slot = await launch()
    slot.assign()
    await _eventually(lambda: slot.stdout.read_text().endswith("\n"))
    slot.process.kill()
    assert await slot.ended() == -signal.SIGKILL
    grandchild = int(slot.stdout.read_text())
    await _eventually(lambda: not _runs(grandchild))


async def test_what_a_script_started_ends_with_its_process(launch: Launch, write_script: WriteScript) -> None:
    """Also when the process leaves by itself, nothing of its group stays."""
    write_script(
        """
        import subprocess
        def run(mini_batch): return [subprocess.Popen(["sleep", "1000"]).pid]
        """
    )
    slot = await launch()
    pid = int((await slot.run()).rows)
    await slot.stop()
    await _eventually(lambda: not _runs(pid))


async def _eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - another process makes it so, without telling us
            await asyncio.sleep(0.01)


def _runs(pid: int) -> bool:
    """Whether the process is there and not a zombie that nobody has collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("where", ["run", "shutdown"])
async def test_the_current_folder_may_vanish(launch: Launch, write_script: WriteScript, where: str) -> None:
    """A script that deletes its own folder hurts nobody but itself."""
    write_script(
        f"""
        import os, shutil
        def vanish(): shutil.rmtree(os.getcwd())
        def run(mini_batch):
            if {where!r} == "run": vanish()
            return mini_batch
        def shutdown():
            if {where!r} == "shutdown": vanish()
        """
    )
    slot = await launch()
    assert (await slot.run()).failure is None
    assert (await slot.stop()).failure is None


async def test_large_rows_and_many_mini_batches(launch: Launch, write_script: WriteScript) -> None:
    """Frames of any size arrive whole and in order."""
    write_script("def run(batch, c): return [str(c.minibatch_index) * (3_000_000 if c.minibatch_index == 5 else 1)]\n")
    slot = await launch()
    for index in range(200):
        slot.assign(index % 10)
    await slot.until(Done, 200)
    found = [answer.rows for answer in slot.answers if isinstance(answer, Done)]
    assert [rows[:1] for rows in found] == [str(index % 10).encode() for index in range(200)]
    assert {len(rows) for rows in found[5::10]} == {3_000_001}


async def test_a_place_where_nothing_can_run(start_order: Callable[..., Any], tmp_path: Path) -> None:
    """When the process cannot even be started the error comes out, and no descriptor stays open."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    place = Placement(tmp_path / "gone", dict(os.environ), tmp_path / "out", tmp_path / "err")
    with pytest.raises(OSError, match="gone"):
        await SlotProcess(start_order(), place, lambda _: None, lambda _: None).start()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(("kind", "said"), [("socket", "where only wake-ups are expected"), ("pipe", "a frame of")])
async def test_a_script_that_writes_into_the_channel_is_noticed(
    launch: Launch, write_script: WriteScript, kind: str, said: str
) -> None:
    """Bytes that no slot sends are not waited on until a time limit: the process is told to be garbled."""
    write_script(
        f"""
        import os
        def run(b):
            for name in os.listdir("/proc/self/fd"):
                try:
                    if os.readlink(f"/proc/self/fd/{{name}}").startswith("{kind}:"):
                        os.write(int(name), b"hello, this is no frame at all")
                except OSError:
                    pass
            return b
        """
    )
    slot = await launch()
    slot.assign()
    garbled = await slot.until(ProtocolViolation)
    assert said in garbled.reason
    slot.assign()
    slot.process.kill()
    await slot.ended()
    kinds = [type(answer) for answer in slot.answers if not isinstance(answer, WakeUp | Done)]
    assert kinds == [Ready, ProtocolViolation], "nothing behind it was listened to"


async def test_nobody_is_woken_while_there_is_work_ahead(launch: Launch, write_script: WriteScript) -> None:
    """The bell rings when a quarter of what was given is left, and when nothing is; what was said before is heard
    then, or when the node looks."""
    write_script(
        """
        import pathlib, time
        def run(batch, context):
            pathlib.Path(f"begun-{context.minibatch_index}").touch()
            while context.minibatch_index in (2, 5) and not pathlib.Path(f"go-{context.minibatch_index}").exists():
                time.sleep(0.001)
            return batch
        """
    )
    slot = await launch()
    slot.process.write(protocol.task_frames([Task(b'{"index":%d,"files":[]}' % index, 0) for index in range(8)]))
    cwd = slot.stdout.parent / "code"
    await _eventually((cwd / "begun-2").exists)
    assert [type(answer) for answer in slot.answers] == [Ready, WakeUp]
    slot.process.read_answers()
    assert [type(answer) for answer in slot.answers] == [Ready, WakeUp, Done, Done]
    (cwd / "go-2").touch()
    await _eventually((cwd / "begun-5").exists)
    await slot.until(WakeUp, 2)
    assert [type(answer) for answer in slot.answers[4:]] == [*[Done] * 3, WakeUp]
    (cwd / "go-5").touch()
    await slot.until(WakeUp, 3)
    assert sum(isinstance(answer, Done) for answer in slot.answers) == 8


async def test_a_script_that_forks_is_answered_for_once(launch: Launch, write_script: WriteScript) -> None:
    """The copy of the process that comes back from run() too says nothing, and takes no mini-batch."""
    write_script(
        """
        import os
        def run(b):
            os.fork()
            return b
        """
    )
    slot = await launch()
    for index in range(20):
        done = await slot.run(index)
        assert (done.failure, done.rows_written) == (None, 2)
    await slot.stop()
    kinds = [type(answer) for answer in slot.answers if not isinstance(answer, WakeUp)]
    assert kinds == [Ready, *[Done] * 20, Stopped]
