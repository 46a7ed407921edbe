"""One mini-batch far slower than the others: the rest goes on around it, and with `speculate` nobody waits for it."""

from typing import Any

SCRIPT = """\
import os, time
from pathlib import Path

def run(mini_batch, context):
    marks = Path(os.environ["MARKS"])
    (marks / f"{context.minibatch_index}-{context.retry_count}-{os.getpid()}-{time.monotonic_ns()}").touch()
    try:
        (marks.parent / "first").open("x").write(str(os.getpid()))
        while not (marks.parent / "go").exists(): time.sleep(0.02)
    except FileExistsError:
        time.sleep(0.02)
    return [f"{Path(p).name}: {Path(p).read_text()}" for p in mini_batch]
"""


def _output(project: Any) -> bytes:
    files = sorted((project.folder / "in").iterdir())
    return "".join(f"{file.name}: {file.read_text()}\n" for file in files).encode()


def test_a_straggler_is_tried_a_second_time(anywhere: Any) -> None:
    """The first call never ends, where others take 20 ms: another slot is far quicker (fault 26)."""
    text = (anywhere.folder / "pipeline.yml").read_text()
    anywhere.write("pipeline.yml", text.replace("    retry_settings:", "    speculate: true\n    retry_settings:"))
    anywhere.write("src/score.py", SCRIPT)
    ended = anywhere.fanout("run", "pipeline.yml")
    assert ended.code == 0, ended.said
    assert anywhere.output() == _output(anywhere)
    assert "far longer than the others" in ended.said
    attempts = anywhere.attempts()
    assert len(attempts) == 61, "one mini-batch was tried twice, the others once"
    assert {retry for _, retry, _ in attempts} == {0}, "its time limit was waited for"


def test_without_it_the_others_go_on_around_it(project: Any) -> None:
    """All others are tried while the slow mini-batch still runs: none waits behind it."""
    project.write("src/score.py", SCRIPT)
    process = project.start("run", "pipeline.yml")
    project.wait_for_attempts(60, process)
    slow = int((project.folder / "first").read_text())
    assert process.poll() is None, "nobody waited for the slow one"
    (project.folder / "go").touch()
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stdout + stderr
    attempts = project.attempts()
    assert {index for index, _, _ in attempts[:60]} == set(range(60))
    assert [pid for _, _, pid in attempts[:60]].count(slow) == 1
    assert project.output() == _output(project)
