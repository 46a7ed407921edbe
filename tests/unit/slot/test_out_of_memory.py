"""Out of memory is told by the counters of the kernel, of either version of control groups."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanout.slot.out_of_memory import OomKills, of_node, of_slot
from fanout.slot.process import death

GROUPS = Path("/sys/fs/cgroup/memory")


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


VERSIONS = {
    "v2": ("sys/fs/cgroup/app/memory.events", "low 0\noom 1\noom_kill {}\n", "sys/fs/cgroup/app/memory.max"),
    "v1": (
        "sys/fs/cgroup/memory/app/memory.oom_control",
        "under_oom 0\noom_kill {}\n",
        "sys/fs/cgroup/memory/app/memory.limit_in_bytes",
    ),
    "machine": ("proc/vmstat", "nr_free 7\noom_kill {}\n", ""),
}


@pytest.mark.parametrize("version", VERSIONS)
def test_each_kill_is_for_one_process(tmp_path: Path, version: str) -> None:
    """What was killed before is no news; of two kills, two processes are told of, and a third was killed otherwise."""
    counter, text, limit = VERSIONS[version]
    _write(tmp_path, {"proc/self/cgroup": "4:cpu,memory:/app\n0::/app\n", counter: text.format(5)})
    if limit:
        _write(tmp_path, {limit: str(60 * 1024 * 1024)})
    kills = OomKills(tmp_path)
    assert not kills.take_one()
    _write(tmp_path, {counter: text.format(7)})
    assert [kills.take_one() for _ in range(3)] == [True, True, False]
    assert kills.limit() == (" (the limit here is 60 MB)" if limit else "")


@pytest.mark.parametrize("limit", ["max", str(2**63 - 4096)])
def test_no_limit_is_told_of_where_there_is_none(tmp_path: Path, limit: str) -> None:
    """As the two versions write it."""
    _write(tmp_path, {"proc/self/cgroup": "0::/app\n", "sys/fs/cgroup/app/memory.max": limit})
    assert OomKills(tmp_path).limit() == ""


def test_where_nothing_can_be_read_nothing_is_claimed(tmp_path: Path) -> None:
    """The advice of before stays."""
    kills = OomKills(tmp_path)
    assert not kills.take_one()
    assert "memory may have run out" in death(-9, kills).message


@pytest.mark.parametrize("returncode", [-9, 137])
def test_slots_and_nodes_are_told_of_differently(tmp_path: Path, returncode: int) -> None:
    """A slot dies alone, a node with all its slots; both learn what needs less memory."""
    _write(tmp_path, {"proc/vmstat": "oom_kill 0\n"})
    kills = OomKills(tmp_path)
    _write(tmp_path, {"proc/vmstat": "oom_kill 1\n"})
    message = death(returncode, kills).message
    assert message == of_slot(kills) != of_node(kills)
    assert "the kernel killed the slot's process because memory ran out" in message
    assert "max_concurrency_per_instance" in message
    assert "max_concurrency_per_instance" in of_node(kills)


@pytest.fixture
def group() -> Iterator[Path]:
    """A real memory control group of 60 MB."""
    folder = GROUPS / "fanout-test-oom"
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(str(60_000_000))
    except OSError as exc:
        pytest.skip(f"no control group of version 1 can be made here: {exc}")
    yield folder
    folder.rmdir()


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs a shell")
def test_a_real_kill_is_seen(group: Path) -> None:
    """By a process of the same group, as a node is for its slots."""
    program = (
        "import subprocess, sys; from fanout.slot.out_of_memory import OomKills; kills = OomKills();"
        "code = subprocess.call([sys.executable, '-c', 'bytearray(200_000_000)']);"
        "print(code, kills.take_one(), kills.take_one(), kills.limit())"
    )
    command = f'echo $$ > {group}/cgroup.procs && exec {sys.executable} -c "$0"'
    done = subprocess.run(["sh", "-c", command, program], capture_output=True, text=True, check=True)
    assert done.stdout == "-9 True False  (the limit here is 57 MB)\n"
