"""Scripts that misbehave: each gives a verdict with its reason, in the time the settings allow."""

import os
import signal
import time
from typing import Any

import pytest

RULES = """\
import os, sys, time
from pathlib import Path

def run(mini_batch, context):
    marks = Path(os.environ["MARKS"])
    (marks / f"{context.minibatch_index}-{context.retry_count}-{os.getpid()}-{time.monotonic_ns()}").touch()
    if context.minibatch_index == 3:
        misbehave()
    return [Path(p).name for p in mini_batch]
"""
STRICT = ("--set", "jobs.score.mini_batch_error_threshold=0", "--set", "jobs.score.retry_settings.max_retries=1")
QUICK = ("--set", "jobs.score.retry_settings.timeout=1")


def _misbehave(project: Any, body: str) -> None:
    project.write("src/score.py", RULES + "\n\ndef misbehave():\n    " + body + "\n")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise ValueError('no such flight')", "ValueError: no such flight"),
        ("while True: pass", "took longer than 1 seconds"),
        ("os._exit(3)", "exit code 3"),
        ("os.kill(os.getpid(), 11)", "SIGSEGV"),
        ("sys.exit(4)", "sys.exit(4)"),
    ],
)
def test_failing_mini_batch_fails_a_strict_step_with_its_reason(project: Any, body: str, reason: str) -> None:
    """Tried max_retries + 1 times, then the verdict says what was seen; exit code 1, and no output."""
    _misbehave(project, body)
    ended = project.fanout("run", "pipeline.yml", *STRICT, *QUICK)
    assert ended.code == 1, ended.said
    assert reason in ended.said
    assert "mini_batch_error_threshold" in ended.said
    assert sum(index == 3 for index, _, _ in project.attempts()) == 2
    assert not (project.folder / "scores.txt").exists()


def test_failing_mini_batch_within_the_thresholds_is_left_out(project: Any) -> None:
    """The default thresholds ignore failures: the run completes, loudly, with the rows of all others."""
    _misbehave(project, "raise ValueError('no such flight')")
    ended = project.fanout("run", "pipeline.yml")
    assert ended.code == 0, ended.said
    assert "no such flight" in ended.said
    assert project.output() == b"".join(b"%03d.txt\n" % number for number in range(60) if number != 3)


def test_none_is_a_failed_mini_batch(project: Any) -> None:
    """A return that cannot be counted is told with its type."""
    project.write("src/score.py", "def run(mini_batch):\n    return None\n")
    ended = project.fanout("run", "pipeline.yml", *STRICT)
    assert ended.code == 1, ended.said
    assert "NoneType" in ended.said


def test_hundred_megabytes_of_print_harm_nobody(project: Any) -> None:
    """Prints go to the slot's file, not through fanout."""
    _misbehave(project, "[print('x' * 1_000_000) for _ in range(100)]")
    ended = project.fanout("run", "pipeline.yml", "--name", "loud", *STRICT)
    assert ended.code == 0, ended.said
    assert len(ended.said) < 20_000
    logs = project.folder / ".fanout/runs/loud/score/logs/user/stdout"
    assert sum(path.stat().st_size for path in logs.rglob("*.txt")) >= 100_000_000


def test_init_that_raises_fails_the_step_with_the_users_words(project: Any) -> None:
    """No mini-batch is tried; the node gives up after three starts for each slot."""
    project.write("src/score.py", "def init():\n    raise RuntimeError('no model here')\n\ndef run(b):\n    return b\n")
    ended = project.fanout("run", "pipeline.yml")
    assert ended.code == 1, ended.said
    assert "RuntimeError: no model here" in ended.said


def test_script_that_cannot_be_imported_shows_the_line(project: Any) -> None:
    """An error while it is imported, with its file and line; a syntax error is found before anything starts."""
    project.write("src/score.py", "no_such_name\n\ndef run(mini_batch):\n    return mini_batch\n")
    ended = project.fanout("run", "pipeline.yml")
    assert ended.code == 1, ended.said
    assert "NameError" in ended.said
    assert 'src/score.py", line 1' in ended.said
    project.write("src/score.py", "def run(mini_batch)\n    return mini_batch\n")
    ended = project.fanout("run", "pipeline.yml")
    assert ended.code == 2, ended.said
    assert "src/score.py:1:20: SyntaxError" in ended.said


def test_threads_and_children_left_running_do_not_keep_a_run_from_ending(project: Any, tools: Any) -> None:
    """What user code has started ends with its slot."""
    body = """\
        import subprocess, threading, time, os
        from pathlib import Path

        def init():
            threading.Thread(target=lambda: time.sleep(600)).start()
            child = subprocess.Popen(["sleep", "600"])
            Path(os.environ["MARKS"], f"0-0-{child.pid}-0").touch()

        def run(mini_batch):
            print("no newline", end="")
            return mini_batch
    """
    project.write("src/score.py", body)
    ended = project.fanout("run", "pipeline.yml", patience=60)
    assert ended.code == 0, ended.said
    children = [pid for _, _, pid in project.attempts()]
    assert children
    tools.wait_until(lambda: not tools.alive(children))


DAEMONS = """\
    import os, subprocess, sys
    from pathlib import Path

    DAEMON = "import os, time; os.fork() and os._exit(0); os.setsid(); print(os.getpid(), flush=True); time.sleep(600)"

    def init():
        for command in ([sys.executable, "-c", DAEMON], ["setsid", "sh", "-c", "echo $$; exec sleep 600"]):
            started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            Path(os.environ["MARKS"], f"0-0-{int(started.stdout.readline())}-0").touch()

    def run(mini_batch, context):
        if os.environ["ENDS"] == "by itself" and context.minibatch_index % 20 == 7:
            os._exit(3)
        if os.environ["ENDS"] == "at its limit" and context.minibatch_index == 7:
            os.kill(os.getpid(), 19)
        return mini_batch
"""


@pytest.mark.parametrize("ends", ["with the step", "by itself", "at its limit"])
def test_daemons_end_with_their_slot(project: Any, tools: Any, ends: str) -> None:
    """What has left the slot's session and lost its parent is the slot's all the same, however that ends."""
    project.write("src/score.py", DAEMONS)
    project.environ.update({"ENDS": ends})
    ended = project.fanout("run", "pipeline.yml", "--set", "jobs.score.retry_settings={max_retries: 0, timeout: 2}")
    assert ended.code in (0, 1), ended.said
    daemons = [pid for _, _, pid in project.attempts()]
    assert len(daemons) >= 4
    tools.wait_until(lambda: not tools.alive(daemons))


def test_retried_mini_batch_counts_once(project: Any) -> None:
    """Failing at first and succeeding then is a success, even under the strictest thresholds."""
    project.write(
        "src/score.py",
        """\
        def run(mini_batch, context):
            if context.minibatch_index % 10 == 0 and context.retry_count == 0:
                raise OSError("try again")
            return [p.rpartition("/")[2] for p in mini_batch]
        """,
    )
    ended = project.fanout("run", "pipeline.yml", *STRICT, "--set", "jobs.score.error_threshold=0")
    assert ended.code == 0, ended.said
    assert project.output() == b"".join(b"%03d.txt\n" % number for number in range(60))


def test_early_stop_ends_running_mini_batches(project: Any) -> None:
    """A threshold exceeded stops the step at once, although others still run."""
    project.write(
        "src/score.py",
        """\
        import time

        def run(mini_batch, context):
            if context.minibatch_index == 0:
                raise ValueError("the first one")
            time.sleep(600)
            return mini_batch
        """,
    )
    limits = ("--set", "jobs.score.retry_settings.max_retries=0", "--set", "jobs.score.retry_settings.timeout=600")
    begun = time.monotonic()
    ended = project.fanout("run", "pipeline.yml", *STRICT, *limits, patience=45)
    assert ended.code == 1, ended.said
    assert time.monotonic() - begun < 30
    assert "ValueError: the first one" in ended.said


def test_terminated_run_leaves_nothing_running(project: Any, tools: Any) -> None:
    """SIGTERM is the first signal: nodes and slots are gone when the command has ended."""
    project.hold_after(3)
    process = project.start("run", "pipeline.yml")
    attempts = project.wait_for_attempts(4, process)
    os.kill(process.pid, signal.SIGTERM)
    project.let_go()
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stdout + stderr
    tools.wait_until(lambda: not tools.alive([pid for _, _, pid in attempts]))


def test_a_step_is_taken_over_when_nothing_has_changed(project: Any) -> None:
    """Every run remembers what it made; where reuse is wanted nothing is run twice, and the run says so."""
    few = ("run", "pipeline.yml", "--set", "jobs.score.mini_batch_size=60")
    reuse = (*few, "--set", "settings.force_rerun=false")
    assert project.fanout(*few, "--name", "one").code == 0
    assert project.fanout(*reuse, "--name", "two").code == 0
    assert len(project.attempts()) == 1
    ended = project.fanout(*reuse)
    assert ended.code == 0, ended.said
    assert "taken over from run one, which had the same code, inputs and settings" in ended.said
    assert project.fanout(*reuse, "--rerun").code == 0
    assert len(project.attempts()) == 2
