"""Scripts that hang or crash: where they were is in the failure, however they resist."""

import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
import ctypes, os, re, signal, threading, time
from pathlib import Path

def waits_for_ever():
    time.sleep(1e6)

def ignores_all_it_can():
    for number in signal.valid_signals():
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    waits_for_ever()

def replaces_handlers():
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM"):
        signal.signal(getattr(signal, name), lambda *_: None)
    waits_for_ever()

def stays_in_c_code():
    re.match("(a+)+$", 40 * "a" + "b")

def has_threads():
    threading.Thread(target=waits_for_ever, daemon=True).start()
    stays_in_c_code()

def closes_files():
    os.closerange(0, 256)
    waits_for_ever()

def crashes():
    ctypes.string_at(0)

def aborts():
    os.abort()

def run(files):
    name = Path(files[0]).stem
    return globals()[name]() if name in globals() else files
"""
HANGING = ("waits_for_ever", "replaces_handlers", "stays_in_c_code", "has_threads", "closes_files")
CRASHING = {"crashes": "SIGSEGV", "aborts": "SIGABRT"}


def _hanging(project: Any, names: tuple[str, ...], environment: str = "{}") -> Any:
    text = (project.folder / "pipeline.yml").read_text()
    text = text.replace("max_retries: 2, timeout: 60", "max_retries: 0, timeout: 2")
    project.write("pipeline.yml", text.replace("environment_variables: {}", f"environment_variables: {environment}"))
    project.write("src/score.py", SCRIPT)
    for path in (project.folder / "in").iterdir():
        path.unlink()
    for name in names:
        project.write(f"in/{name}.txt", name)
    return project


@pytest.mark.parametrize("environment", ["{}", '{PYTHONHASHSEED: "1"}'], ids=["copied", "started"])
def test_the_stack_is_in_the_failure(project: Any, environment: str) -> None:
    """Of slots that are copies of the fork server and of those that are interpreters of their own."""
    hanging = _hanging(project, (*HANGING, *CRASHING, "good"), environment)
    ended = hanging.fanout("run", "pipeline.yml", "--name", "r")
    assert ended.code == 0, ended.said
    logs = hanging.folder.glob(".fanout/runs/r/score/logs/user/error/*/*.txt")
    failures = re.split(r"\n\n(?=\S+ mini-batch )", "\n\n".join(path.read_text().strip() for path in logs))
    assert len(failures) == len(HANGING) + len(CRASHING)
    for name in (*HANGING, *CRASHING):
        called = re.compile(rf", in run\n    return globals[^\n]*\n[^\n]*, in {name}\n")
        [text] = filter(called.search, failures)
        limit = "run() took longer than 2 seconds, so its process was killed; retry_settings.timeout allows more"
        assert (f"the slot's process was killed by {CRASHING[name]}" if name in CRASHING else limit) in text
        assert ("Fatal Python error: " in text) is (name in CRASHING)
        assert "fanout/slot/child/main.py" not in text
        if name == "has_threads":
            assert "Another thread (most recent call last):" in text
            assert text.rindex("in waits_for_ever") < text.index("in has_threads")
    assert "in stays_in_c_code" in hanging.fanout("failures", "r").stdout


def test_what_ignores_every_signal_is_killed_all_the_same(project: Any) -> None:
    """There is no stack then, but the limit holds."""
    hanging = _hanging(project, ("ignores_all_it_can", "good"))
    begun = time.monotonic()
    ended = hanging.fanout("run", "pipeline.yml")
    assert ended.code == 0, ended.said
    assert time.monotonic() - begun < 30
    assert "run() took longer than 2 seconds" in ended.stdout


def test_ctrl_c_in_run_one_shows_where_the_script_was(project: Any) -> None:
    """The traceback, and exit code 130; with --debug, pdb there."""
    hanging = _hanging(project, ("waits_for_ever", "good"))
    hanging.fanout("run", "pipeline.yml", "--name", "r")
    index = 1  # of the files in the order of their names
    for options in ((), ("--debug",)):
        process = hanging.start("run-one", "r", str(index), *options)
        _wait_until_it_hangs(process)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate("quit\n" if options else None, timeout=60)
        assert process.returncode == 130, stdout + stderr
        assert "interrupted in run():" in stdout
        assert "in waits_for_ever" in stdout
        assert ("(Pdb)" in stdout) is bool(options)


def _wait_until_it_hangs(process: Any) -> None:
    """The process sleeps in the call that never returns."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if Path(f"/proc/{process.pid}/wchan").read_text() == "hrtimer_nanosleep":
            return
        time.sleep(0.02)
    pytest.fail("it never slept")
