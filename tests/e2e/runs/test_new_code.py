"""`fanout resume --new-code` with real processes: Ctrl-C, edit, go on; killed at any moment; redrive of the same."""

import json
import os
import signal
from typing import Any

import pytest

HANGS = """\
import os, time
from pathlib import Path

def run(mini_batch, context):
    marks = Path(os.environ["MARKS"])
    (marks / f"{context.minibatch_index}-{context.retry_count}-{os.getpid()}-{time.monotonic_ns()}").touch()
    if sum(1 for _ in marks.iterdir()) > 20:  # a queue may hand out its messages in any order
        time.sleep(1e6)
    return [f"{Path(p).name}: {Path(p).read_text()}" for p in mini_batch]
"""
EDITED = HANGS.replace("time.sleep(1e6)", "pass")


@pytest.fixture
def hanging(anywhere: Any, tools: Any) -> Any:
    """A run that hangs after twenty attempts, is stopped with Ctrl-C, and whose code is mended then."""
    anywhere.write("src/score.py", HANGS)
    process = anywhere.start("run", "pipeline.yml", "--name", "r")
    attempts = anywhere.wait_for_attempts(22, process)
    os.kill(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stdout + stderr
    assert "after a change of the code: fanout resume r --new-code" in stdout
    tools.wait_until(lambda: not tools.alive(sorted({pid for _, _, pid in attempts})))
    anywhere.write("src/score.py", EDITED)
    return anywhere


def test_it_goes_on_with_the_new_code(hanging: Any, expected: Any) -> None:
    """What had succeeded stays; status says that the code was another one before."""
    before = hanging.attempts()
    ended = hanging.fanout("resume", "r", "--new-code")
    assert ended.code == 0, ended.said
    assert "results so far stay; changed: score.py" in ended.stdout
    assert hanging.output() == expected()
    again = {index for index, _, _ in hanging.attempts()[len(before) :]}
    assert len(again) < 60, "what had succeeded ran again"
    status = hanging.fanout("status", "r")
    assert "code of score changed" in status.stdout
    [change] = json.loads(hanging.fanout("status", "r", "--json").stdout)["code_changes"]
    assert change["steps"] == {"score": ["score.py"]}


def test_killed_while_it_goes_on(hanging: Any, expected: Any, tools: Any) -> None:
    """A plain resume goes on with the new code."""
    before = len(hanging.attempts())
    hanging.write("src/score.py", EDITED.replace("    return", "    time.sleep(0.01)\n    return"))
    hanging.hold_after(before + 2)
    process = hanging.start("resume", "r", "--new-code")
    attempts = hanging.wait_for_attempts(before + 3, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    hanging.let_go()
    tools.wait_until(lambda: not tools.alive(sorted({pid for _, _, pid in attempts[before:]})))
    ended = hanging.fanout("resume", "r")
    assert ended.code == 0, ended.said
    assert hanging.output() == expected()


def test_two_at_once_with_different_code(hanging: Any, expected: Any) -> None:
    """Both end; at most one is refused, saying so, and the rows are the same."""
    one = hanging.start("resume", "r", "--new-code")
    hanging.write("src/score.py", EDITED + "# another one\n")
    other = hanging.start("resume", "r", "--new-code")
    said = [process.communicate(timeout=90) for process in (one, other)]
    codes = sorted((one.returncode, other.returncode))
    assert codes in ([0, 0], [0, 2]), said
    if codes == [0, 2]:
        refused = "".join(said[0 if one.returncode == 2 else 1])
        assert "in the same moment" in refused or "is over" in refused, refused
    assert hanging.output() == expected()


def test_a_stopped_run_can_be_redriven(hanging: Any, expected: Any) -> None:
    """With the new code; what had succeeded stays."""
    ended = hanging.fanout("redrive", "r", "--new-code")
    assert ended.code == 0, ended.said
    assert hanging.output() == expected()
