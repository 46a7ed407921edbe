"""Faults in the middle of a run, each at a chosen point, with real processes and real signals.

Slots, nodes and supervisors are killed at the moments that a kill at random seldom hits: before `init()` is over,
between a durable result and its delete, while planning, while reducing, right after the verdict. Nodes are paused for
longer than the visibility, and asked to leave. Every run ends with the bytes of an undisturbed one.
"""

import json
import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from fanout.clock import SystemClock
from fanout.config.settings import load_settings
from fanout.node.serve import load_step
from fanout.planning.publish import Outbox, publish
from fanout.queues.factory import open_queue_service
from fanout.queues.step_queues import open_queues
from fanout.results.codec import Status, decode_index
from fanout.storage.access import Access
from fanout.storage.keys import StepRound
from fanout.storage.open import open_store

if TYPE_CHECKING:
    import subprocess

FILES = 60
STEP = "score"
RUN = "faulty"
BOTH_WORLDS = pytest.mark.parametrize(
    "anywhere", ["embedded", pytest.param("localstack", marks=pytest.mark.localstack)], indirect=True
)
LONG_VISIBILITY = ("visibility = 3", "visibility = 600")


class Helpers(Protocol):
    """What conftest.py lends to this module."""

    wait_until: Callable[..., None]
    node_of: Callable[[int], int]
    alive: Callable[[list[int]], list[int]]


@pytest.fixture
def expected_bytes(expected: Callable[[], bytes]) -> bytes:
    return expected()


def _end(process: "subprocess.Popen[str]", code: int = 0) -> str:
    """Waits for the command, which ends as it should; what it said."""
    stdout, stderr = process.communicate(timeout=90)
    assert process.returncode == code, stdout + stderr
    return stdout + stderr


def _nodes(project: Any, tools: Helpers) -> list[int]:
    """The nodes whose slots have noted an attempt and still live."""
    return sorted({tools.node_of(pid) for pid in tools.alive([pid for _, _, pid in project.attempts()])} - {1})


def _step_folder(project: Any) -> Path:
    return Path(project.folder / ".fanout" / "runs" / RUN / STEP)


# Case 1: a slot or its node dies before run(), and between the durable result and the delete.


def test_a_slot_killed_while_it_loads_is_replaced(project: Any, expected_bytes: bytes, tools: Helpers) -> None:
    """Before its first run() no mini-batch is at stake: nothing counts as tried, and the output is whole."""
    script = (project.folder / "src" / "score.py").read_text()
    init = """
def init():
    import time
    first = Path(os.environ["MARKS"]).with_name("loading")
    try:
        first.open("x").write(str(os.getpid()))
    except FileExistsError:
        return
    time.sleep(600)
"""
    project.write("src/score.py", script + init)
    process = project.start("run", "pipeline.yml", "--name", RUN)
    loading = project.folder / "loading"
    tools.wait_until(lambda: loading.exists() and loading.read_text() != "")
    os.kill(int(loading.read_text()), signal.SIGKILL)
    _end(process)
    assert project.output() == expected_bytes
    assert Counter((index, retry) for index, retry, _ in project.attempts()) == Counter((n, 0) for n in range(FILES))


@contextmanager
def _locked_queue(project: Any) -> Iterator[None]:
    """Nobody can send to, receive from or delete from the embedded queue of the run."""
    [path] = (project.folder / ".fanout").glob("**/queue.sqlite3")
    with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


# As long as one mini-batch is not done the run cannot end: with a result for each it would, and no message would be
# received again.
LAST = """\
    while context.minibatch_index == 59 and not marks.with_name("last").exists(): time.sleep(0.01)
"""


def test_a_node_killed_between_result_and_delete_repeats_and_adds_nothing(
    project: Any, expected_bytes: bytes, tools: Helpers
) -> None:
    """Results are durable and their deliveries not yet deleted when the node dies: each of these mini-batches comes
    back, is tried again, has two results, and its rows once."""
    project.write("fanout.toml", "visibility = 4\n")
    script = (project.folder / "src" / "score.py").read_text()
    project.write("src/score.py", script.replace("    time.sleep", LAST + "    time.sleep"))
    project.hold_after(10)
    process = project.start("run", "pipeline.yml", "--name", RUN)
    project.wait_for_attempts(11, process)
    [node] = _nodes(project, tools)
    with _locked_queue(project):
        project.let_go()
        tools.wait_until(lambda: _undeleted_successes(project))
        os.kill(node, signal.SIGKILL)
        tools.wait_until(lambda: not tools.alive([node]))
        undeleted = _undeleted_successes(project)
    tools.wait_until(lambda: undeleted <= _repeated(project) or process.poll() is not None)
    assert process.poll() is None, "the run has ended before its last mini-batch"
    (project.folder / "last").touch()
    _end(process)
    assert project.output() == expected_bytes
    assert set(_successes(project)) == set(range(FILES))
    tries = Counter(index for index, _, _ in project.attempts())
    assert max(tries.values()) == 2
    assert _repeated(project) == undeleted


def _successes(project: Any) -> Iterator[int]:
    """The mini-batch of every success in the store, once for each result."""
    for path in sorted((_step_folder(project) / "results").glob("*/[!.]*")):
        yield from (
            entry.index
            for entry in decode_index(path.read_bytes(), path.name).entries
            if entry.status is Status.SUCCEEDED
        )


def _repeated(project: Any) -> set[int]:
    """The mini-batches that have succeeded twice."""
    return {index for index, count in Counter(_successes(project)).items() if count == 2}


def _undeleted_successes(project: Any) -> set[int]:
    """The mini-batches that have succeeded and are still in the (locked, but readable) queue."""
    [path] = (project.folder / ".fanout").glob("**/queue.sqlite3")
    with closing(sqlite3.connect(path)) as connection:
        held = {json.loads(body)["index"] for (body,) in connection.execute("SELECT body FROM main")}
    return held.intersection(_successes(project))


# Case 2: what kills its process every time.


def test_a_mini_batch_that_kills_its_slot_every_time_is_given_up(project: Any, expected_bytes: bytes) -> None:
    """Tried max_retries + 1 times, dead-lettered with its signal; all others finish."""
    script = (project.folder / "src" / "score.py").read_text()
    poison = "    if context.minibatch_index == 7: os.kill(os.getpid(), 9)\n    time.sleep"
    project.write("src/score.py", script.replace("    time.sleep", poison))
    said = _end(project.start("run", "pipeline.yml", "--name", RUN))
    assert "SIGKILL" in said
    assert project.output() == expected_bytes.replace(b"007.txt: content 7\n", b"")
    assert sorted(retry for index, retry, _ in project.attempts() if index == 7) == [0, 1, 2]


def test_a_mini_batch_that_kills_its_node_every_time_is_given_up(project: Any, expected_bytes: bytes) -> None:
    """Set apart after it has taken two nodes with it, received max_receives times by itself and never answered for:
    dead-lettered as vanished. What those nodes held beside it is done."""
    project.write("fanout.toml", "visibility = 1\nmax_receives = 3\n")
    script = (project.folder / "src" / "score.py").read_text()
    node = "int(Path(f'/proc/{os.getppid()}/stat').read_text().rpartition(')')[2].split()[1])"
    poison = f"    if context.minibatch_index == 7: os.kill({node}, 9); time.sleep(60)\n    time.sleep"
    project.write("src/score.py", script.replace("    time.sleep", poison))
    _end(project.start("run", "pipeline.yml", "--name", RUN))
    assert project.output() == expected_bytes.replace(b"007.txt: content 7\n", b"")
    assert sum(index == 7 for index, _, _ in project.attempts()) == 2 + 3
    seal = json.loads((_step_folder(project) / "verdict.json").read_text())
    assert (seal["counts"]["succeeded"], seal["counts"]["dead_lettered"]) == (FILES - 1, 1)


# Case 3: one message, many deliveries.

BARRIER = """\
import os, time
from pathlib import Path

def run(mini_batch, context):
    marks = Path(os.environ["MARKS"])
    (marks / f"{context.minibatch_index}-{context.retry_count}-{os.getpid()}-{time.monotonic_ns()}").touch()
    deadline = time.monotonic() + 50
    time.sleep(0.3)
    while context.minibatch_index == 0 and len(list(marks.glob("0-*"))) < 10 and time.monotonic() < deadline:
        time.sleep(0.01)
    return [f"{Path(p).name}: {Path(p).read_text()}" for p in mini_batch]
"""


@BOTH_WORLDS
async def test_one_message_delivered_ten_times_at_once(
    anywhere: Any, expected_bytes: bytes, tools: Helpers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten processes of two nodes run the same mini-batch at the same moment, and all succeed: its rows come once."""
    anywhere.write("src/score.py", BARRIER)
    slots = ("--set", "jobs.score.max_concurrency_per_instance=5", "--set", "jobs.score.resources.instance_count=2")
    process = anywhere.start("run", "pipeline.yml", "--name", RUN, *slots)
    anywhere.wait_for_attempts(1, process)
    await _send_again(anywhere, monkeypatch, times=29, only=0)  # so many that each of ten slots gets one
    _end(process)
    assert anywhere.output() == expected_bytes
    assert sum(index == 0 for index, _, _ in anywhere.attempts()) >= 10


async def _send_again(project: Any, patch: pytest.MonkeyPatch, *, times: int, only: int) -> None:
    """The message of mini-batch `only` is in the queue that many times more."""
    with patch.context() as inside:
        inside.chdir(project.folder)
        settings = load_settings(project.folder, None, {**os.environ, **project.environ})
    access = Access.from_environ(project.environ)
    store, at = open_store(settings.store, access), StepRound(RUN, STEP)
    service = open_queue_service(settings.queue, settings.store, access, SystemClock())
    try:
        pair = await open_queues(store, service, at, settings.store)
        assert pair is not None
        signer = (await load_step(store, at)).signer
        outbox = Outbox(pair.main, at, at, skip=set(range(FILES)) - {only}, signer=signer)
        for _ in range(times):
            await publish(lambda: pytest.fail("the plan is in the store"), store, outbox)
    finally:
        await service.close()


# Case 4: the visibility runs out under a node that only seemed dead.


# Each node has begun something that it cannot end before it is paused, and the run cannot end before it goes on.
PAUSED = """\
    while not marks.with_name("go").exists(): time.sleep(0.01)
    tries = len(list(marks.glob(f"{context.minibatch_index}-*")))
    while tries > 1 and not marks.with_name("on").exists(): time.sleep(0.01)
"""


def test_a_node_paused_for_longer_than_the_visibility(anywhere: Any, expected_bytes: bytes, tools: Helpers) -> None:
    """What it held is done by the other node; when it goes on and commits it, too, the rows come once."""
    script = (anywhere.folder / "src" / "score.py").read_text()
    anywhere.write("src/score.py", script.replace("    time.sleep", PAUSED + "    time.sleep"))
    process = anywhere.start("run", "pipeline.yml", "--name", RUN, "--set", "jobs.score.resources.instance_count=2")
    tools.wait_until(lambda: len(_nodes(anywhere, tools)) == 2 or process.poll() is not None)
    paused = _nodes(anywhere, tools)[0]
    os.kill(paused, signal.SIGSTOP)
    anywhere.let_go()
    try:
        tools.wait_until(lambda: _tried_twice(anywhere) or process.poll() is not None)
        assert process.poll() is None, "a step that is missing results has ended"
    finally:
        os.kill(paused, signal.SIGCONT)
    (anywhere.folder / "on").touch()
    _end(process)
    assert anywhere.output() == expected_bytes
    assert _tried_twice(anywhere)


def _tried_twice(project: Any) -> bool:
    return max(Counter(index for index, _, _ in project.attempts()).values(), default=0) > 1


# Case 12: the supervisor dies, each time at another point of its work.


def _kill_when(project: Any, holds: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    """The supervisor is killed in the moment in which `holds` becomes true; it was at work until then."""
    while not holds() and process.poll() is None:
        os.sched_yield()
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it has ended before it could be killed"


def _resumed(project: Any) -> None:
    ended = project.fanout("resume", RUN)
    assert ended.code == 0, ended.said


def _quick(project: Any, files: int) -> None:
    """A script that takes no time, over that many files."""
    project.write("src/score.py", "from pathlib import Path\n\ndef run(b): return [Path(p).name for p in b]\n")
    for number in range(files):
        (project.folder / "in" / f"{number:05d}.txt").touch()


DIES = """\
import os, signal, sys
from pathlib import Path

def hook(event, arguments):
    if event == "os.link" and Path(arguments[1]).match("*/score/manifests/00003.jsonl"):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
"""
"""Run by each interpreter that starts: it is killed right before the fourth manifest has its name."""


def test_a_supervisor_killed_while_it_publishes(project: Any) -> None:
    """Some messages are sent and the plan is not complete: resume plans the same, and no row is lost or twice."""
    for path in (project.folder / "in").iterdir():
        path.unlink()
    _quick(project, files=8000)
    hooks = project.write("hooks/sitecustomize.py", DIES)
    dying = replace(project, environ={"PYTHONPATH": str(hooks.parent)})
    assert dying.fanout("run", "pipeline.yml", "--name", RUN).code == -signal.SIGKILL
    assert sorted(path.name for path in (_step_folder(project) / "manifests").glob("[!.]*")) == [
        "00000.jsonl",
        "00001.jsonl",
        "00002.jsonl",
    ]
    assert not (_step_folder(project) / "plan.json").exists()
    _resumed(project)
    assert project.output() == b"".join(b"%05d.txt\n" % number for number in range(8000))


WIDE = """\
from pathlib import Path

def run(mini_batch):
    return [f"{Path(p).name} {'x' * 4_000_000}" for p in mini_batch]
"""


def test_a_supervisor_killed_while_it_reduces(project: Any) -> None:
    """Half of the output is written, under no name that anybody reads: resume writes all of it."""
    project.write("src/score.py", WIDE)
    process = project.start("run", "pipeline.yml", "--name", RUN)
    _kill_when(project, lambda: any(_size(path) for path in project.folder.glob("*scores.txt*")), process)
    assert not (project.folder / "scores.txt").exists(), "the fault has not hit its point"
    assert (_step_folder(project) / "verdict.json").exists()
    _resumed(project)
    assert project.output() == b"".join(b"%03d.txt %s\n" % (number, b"x" * 4_000_000) for number in range(FILES))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


# Without it the run could be over before it is killed.
ANOTHER_STEP = """\
  wait:
    type: command
    command: while ! test -e "$MARKS/../go"; do sleep 0.05; done
    inputs:
      rows: ${{parent.jobs.score.outputs.rows}}
    environment: azureml:any@latest
"""


@pytest.mark.parametrize("record", [f"{STEP}/settled.json", f"{STEP}/verdict.json", f"{STEP}/concluded.json"])
def test_a_supervisor_killed_at_the_end(project: Any, expected_bytes: bytes, tools: Helpers, record: str) -> None:
    """When nothing is left to do, right after the seal, after the last clean-up: resume ends with the same bytes, calls
    no script again, and changes no verdict that stands."""
    pipeline = (project.folder / "pipeline.yml").read_text()
    project.write("pipeline.yml", pipeline + ANOTHER_STEP)
    process = project.start("run", "pipeline.yml", "--name", RUN)
    run = project.folder / ".fanout" / "runs" / RUN
    _kill_when(project, (run / record).exists, process)
    sealed = run / STEP / "verdict.json"
    before = sealed.read_bytes() if sealed.exists() else None
    (project.folder / "go").touch()
    _resumed(project)
    assert project.output() == expected_bytes
    assert before in (None, sealed.read_bytes())
    assert Counter(index for index, _, _ in project.attempts()) == Counter(range(FILES))
    assert not list((project.folder / ".fanout").glob("**/queue.sqlite3"))


# Case 25: asked to leave, with notice.


def _hide_for_long(project: Any) -> None:
    """A visibility that no run of this test could wait for."""
    text = (project.folder / "fanout.toml").read_text()
    project.write("fanout.toml", text.replace(*LONG_VISIBILITY))


@BOTH_WORLDS
def test_a_node_that_is_asked_to_leave_gives_back_what_it_has_not_started(
    anywhere: Any, expected_bytes: bytes, tools: Helpers
) -> None:
    """SIGTERM to one of two nodes: it finishes what runs and leaves; the rest is done by others at once, although the
    visibility is far longer than the run, and every mini-batch is tried exactly once."""
    _hide_for_long(anywhere)
    anywhere.hold_after(20)
    begun = time.monotonic()
    process = anywhere.start("run", "pipeline.yml", "--name", RUN)
    anywhere.wait_for_attempts(3, process)
    [own] = _nodes(anywhere, tools)
    joined = anywhere.start("node", RUN)
    tools.wait_until(lambda: len(_nodes(anywhere, tools)) == 2 or process.poll() is not None)
    joined.send_signal(signal.SIGTERM)
    anywhere.let_go()
    assert "left: asked to leave" in _end(joined)
    _end(process)
    assert own not in tools.alive([own])
    assert anywhere.output() == expected_bytes
    assert Counter(index for index, _, _ in anywhere.attempts()) == Counter(range(FILES))
    assert time.monotonic() - begun < 60


@BOTH_WORLDS
def test_the_only_node_is_asked_to_leave(anywhere: Any, expected_bytes: bytes, tools: Helpers) -> None:
    """`fanout run` starts another in its place, which takes over at once what the first has given back."""
    _hide_for_long(anywhere)
    anywhere.hold_after(9)
    process = anywhere.start("run", "pipeline.yml", "--name", RUN)
    anywhere.wait_for_attempts(10, process)
    [node] = _nodes(anywhere, tools)
    os.kill(node, signal.SIGTERM)
    anywhere.let_go()
    tools.wait_until(lambda: not tools.alive([node]))
    _end(process)
    assert anywhere.output() == expected_bytes
    assert Counter(index for index, _, _ in anywhere.attempts()) == Counter(range(FILES))


def test_a_run_that_is_asked_to_leave_goes_on_elsewhere(project: Any, expected_bytes: bytes, tools: Helpers) -> None:
    """SIGTERM to `fanout run`: its node gives everything back, so that a resume need not wait for the visibility."""
    project.write("fanout.toml", "visibility = 600\n")
    project.hold_after(9)
    process = project.start("run", "pipeline.yml", "--name", RUN)
    project.wait_for_attempts(10, process)
    process.send_signal(signal.SIGTERM)
    project.let_go()
    _end(process, code=130)
    begun = time.monotonic()
    _resumed(project)
    assert time.monotonic() - begun < 60
    assert project.output() == expected_bytes
