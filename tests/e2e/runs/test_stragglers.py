"""One mini-batch far slower than the others: the rest goes on around it, and with `speculate` nobody waits for it."""

import time
from typing import Any

SOON = 45.0
SCRIPT = """\
import os, time
from pathlib import Path

def run(mini_batch, context):
    marks = Path(os.environ["MARKS"])
    (marks / f"{context.minibatch_index}-{context.retry_count}-{os.getpid()}-{time.monotonic_ns()}").touch()
    try:
        os.close(os.open(marks.parent / "first", os.O_CREAT | os.O_EXCL))
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
    begun = time.monotonic()
    ended = anywhere.fanout("run", "pipeline.yml")
    assert ended.code == 0, ended.said
    assert time.monotonic() - begun < SOON, "somebody waited for it"
    assert anywhere.output() == _output(anywhere)
    assert "far longer than the others" in ended.said
    attempts = anywhere.attempts()
    assert len(attempts) == 61, "one mini-batch was tried twice, the others once"
    assert {retry for _, retry, _ in attempts} == {0}


def test_without_it_the_others_go_on_around_it(project: Any) -> None:
    """All others are tried while the slow mini-batch still runs: none waits behind it."""
    project.write("src/score.py", SCRIPT)
    process = project.start("run", "pipeline.yml")
    project.wait_for_attempts(60, process)
    slow, *others = project.attempts()
    assert process.poll() is None, "nobody waited for the slow one"
    (project.folder / "go").touch()
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stdout + stderr
    assert len({index for index, _, _ in others}) == 59
    assert slow[2] not in {pid for _, _, pid in others[:59]}
    assert project.output() == _output(project)
