"""`fanout redrive` with the installed command: embedded and on real servers, killed in the middle and resumed."""

import os
import signal
from collections import Counter
from typing import Any

import pytest

MENDED = """\
import os, time
from pathlib import Path

def run(mini_batch, context):
    marks = Path(os.environ["MARKS"])
    (marks / f"{context.minibatch_index}-{context.retry_count}-{os.getpid()}-{time.monotonic_ns()}").touch()
    time.sleep(0.02)
    if context.minibatch_index % 6 == 1 and not Path("mended").exists():
        raise ValueError("not yet")
    return [f"{Path(p).name}: {Path(p).read_text()}" for p in mini_batch]
"""
FAILING = [index for index in range(60) if index % 6 == 1]


@pytest.fixture
def failed(anywhere: Any) -> Any:
    """A run that has failed for ten of its sixty mini-batches, and a code folder in which they would not."""
    anywhere.write("src/score.py", MENDED)
    text = (anywhere.folder / "pipeline.yml").read_text()
    text = text.replace("max_retries: 2", "max_retries: 0").replace(
        'mini_batch_size: "1"', 'mini_batch_size: "1"\n    mini_batch_error_threshold: 9'
    )
    anywhere.write("pipeline.yml", text)
    ended = anywhere.fanout("run", "pipeline.yml", "--name", "first")
    assert ended.code == 1, ended.said
    assert "more than mini_batch_error_threshold 9 allows" in ended.said
    anywhere.write("src/mended", "")
    return anywhere


def test_redrive_with_old_code_and_new_code(failed: Any, expected: Any) -> None:
    """What failed or never ran is run again, with the run's own copy of the code or as it is now; each row is once."""
    ended = failed.fanout("redrive", "first")
    assert ended.code == 1, ended.said
    assert "the run's own copy is used" in ended.said
    assert not (failed.folder / "scores.txt").exists()
    before = Counter(index for index, _, _ in failed.attempts())
    ended = failed.fanout("redrive", "first", "--new-code")
    assert ended.code == 0, ended.said
    assert "changed since the run: mended" in ended.said
    assert failed.output() == expected()
    again = Counter(index for index, _, _ in failed.attempts()) - before
    assert set(again) >= set(FAILING)
    assert sum(again.values()) < 60, "what had succeeded ran again"
    once_more = failed.fanout("redrive", "first")
    assert once_more.code == 0, once_more.said
    assert "nothing is run again" in once_more.said
    assert failed.output() == expected()


def test_killed_redrive_is_resumed(failed: Any, expected: Any, tools: Any) -> None:
    """The round is in the store before anything runs: resume ends it, with the same bytes."""
    before = len(failed.attempts())
    failed.hold_after(before + 3)
    process = failed.start("redrive", "first", "--new-code")
    attempts = failed.wait_for_attempts(before + 4, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    failed.let_go()
    tools.wait_until(lambda: not tools.alive(sorted({pid for _, _, pid in attempts[before:]})))
    ended = failed.fanout("resume", "first")
    assert ended.code == 0, ended.said
    assert failed.output() == expected()


def test_what_cannot_be_redriven(project: Any) -> None:
    """Each with a sentence that says what to do, and exit code 2."""
    assert "there are no runs here" in project.fanout("redrive", "none").said
    assert project.fanout("run", "pipeline.yml", "--name", "good").code == 0
    assert "no run named none" in project.fanout("redrive", "none").said
    ended = project.fanout("redrive", "good", "--mini-batch", "3")
    assert ended.code == 2
    assert "mini-batch 3 of step score has succeeded" in ended.said
    assert "has no mini-batch 99" in project.fanout("redrive", "good", "--mini-batch", "99").said
    assert "is not the number of a mini-batch" in project.fanout("redrive", "good", "--mini-batch", "x").said
    assert "it has score" in project.fanout("redrive", "good", "--step", "train").said
