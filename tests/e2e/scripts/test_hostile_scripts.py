"""One run whose mini-batches misbehave, each in its own way: every reason is told, and nothing else is harmed."""

import csv
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("hostile scripts")  # one run serves them all

PIPELINE = """\
type: pipeline
inputs:
  files: {type: uri_folder, path: ./in}
outputs:
  scores: {type: uri_file, path: ./scores.txt}
  plots: {type: uri_folder, path: ./plots}
jobs:
  score:
    type: parallel
    mini_batch_size: "1"
    max_concurrency_per_instance: 2
    retry_settings: {max_retries: 0, timeout: 3}
    inputs:
      data: ${{parent.inputs.files}}
    outputs:
      rows: ${{parent.outputs.scores}}
      plots: ${{parent.outputs.plots}}
    input_data: ${{inputs.data}}
    task:
      type: run_function
      code: ./src
      entry_script: score.py
      program_arguments: --plots ${{outputs.plots}}
      append_row_to: ${{outputs.rows}}
      environment: azureml:any@latest
"""

# A file of this name in the input makes run() do this; what it returns is returned.
WAYS = {
    "good": "return [1]",
    "none": "return None",
    "number": "return 5",
    "text": "return 'abc'",
    "generator": "return (x for x in [1])",
    "unpicklable": "return [lambda: 1]",
    "unprintable": "return [Unprintable()]",
    "lying-length": "return Lying()",
    "half-character": "return ['\\ud800']",
    "raises": "raise ValueError('a reason')",
    "raises-system-exit": "sys.exit('a reason to leave')",
    "raises-keyboard-interrupt": "raise KeyboardInterrupt",
    "raises-generator-exit": "raise GeneratorExit('closed')",
    "raises-base-exception": "raise type('Mine', (BaseException,), {})('base')",
    "raises-unprintable": "raise type('Mine', (Exception,), {'__str__': lambda self: 1 / 0})()",
    "raises-hugely": "raise ValueError('y' * 50_000_000)",
    "raises-half-character": "raise ValueError('caf\\udce9 \\ud800')",
    "recursion": "return recurse()",
    "memory": "return [bytearray(1 << 62)]",
    "exit-0": "os._exit(0)",
    "exit-7": "os._exit(7)",
    "abort": "os.abort()",
    "segfault": "ctypes.string_at(0)",
    "kill-itself": "os.kill(os.getpid(), signal.SIGKILL)",
    "endless": "while True: pass",
    "endless-ignoring-sigterm": "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
    "endless-catching-all": "forgive_everything()",
    "stopped": "os.kill(os.getpid(), signal.SIGSTOP); return [1]",
    "closes-0-1-2": "os.close(0); os.close(1); os.close(2); return [1]",
    "closes-everything": "os.closerange(0, 256); return [1]",
    "closes-stdout": "sys.stdout.close(); sys.stderr.close(); return [1]",
    "changes-cwd": "os.chdir('/'); return [1]",
    "removes-cwd": "remove_cwd(); return [1]",
    "writes-to-the-channel": "write_to_sockets(); time.sleep(60)",
    "forks": "os.fork(); return [1]",
    "leaves-a-child": "leave_a_child(); return [1]",
    "leaves-a-thread": "threading.Thread(target=time.sleep, args=(600,)).start(); return [1]",
    "patches-json": "json.dumps = json.loads = None; return [1]",
    "patches-os": "os.getpid = os.rename = os.scandir = lambda *a, **k: 1 / 0; return [1]",
    "prints-bytes": "os.write(1, b'\\xff\\xfe no text \\x00'); return [1]",
    "removes-output": "shutil.rmtree(PLOTS); return [1]",
    "output-link": "os.symlink('/etc', f'{PLOTS}/etc'); return [1]",
    "output-newline": "open(f'{PLOTS}/a\\nb', 'w').close(); return [1]",
    "output-bytes": "open(os.fsencode(PLOTS) + b'/caf\\xe9', 'w').close(); return [1]",
    "output-fifo": "os.mkfifo(f'{PLOTS}/fifo'); return [1]",
    "output-good": "open(f'{PLOTS}/good plot%20.txt', 'w').write('plot'); return [1]",
}
SCRIPT = """\
import ctypes, json, os, shutil, signal, subprocess, sys, threading, time
from pathlib import Path

PLOTS = sys.argv[2]

class Unprintable:
    def __str__(self):
        raise RuntimeError("no text")

class Lying:
    def __len__(self):
        return -5

def recurse():
    return recurse()

def forgive_everything():
    while True:
        try:
            time.sleep(600)
        except BaseException:
            pass

def remove_cwd():
    os.makedirs("/tmp/fanout-e2e-cwd", exist_ok=True)
    os.chdir("/tmp/fanout-e2e-cwd")
    os.rmdir("/tmp/fanout-e2e-cwd")

def write_to_sockets():
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                os.write(int(name), b"hello, this is no frame at all")
        except OSError:
            pass

def leave_a_child():
    child = subprocess.Popen(["sleep", "600"])
    Path(os.environ["MARKS"], f"0-0-{child.pid}-0").touch()

def run(mini_batch):
    [path] = mini_batch
    return globals()["do_" + os.path.basename(path).replace("-", "_")]()
"""


@dataclass(frozen=True)
class Attempt:
    """A row of processed_mini-batches.csv."""

    status: str
    cause: str
    message: str


@dataclass(frozen=True)
class Told:
    """What came of the run."""

    attempts: dict[str, Attempt]
    said: str
    output: list[str]
    folder: Path
    children: list[int]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, make: Any, tools: Any) -> Told:
    """The one run, with a file for each way in the input."""
    project = make(tmp_path_factory.mktemp("hostile"))
    functions = "".join(f"\ndef do_{name.replace('-', '_')}():\n    {body}\n" for name, body in WAYS.items())
    project.write("pipeline.yml", PIPELINE)
    (project.folder / "src/score.py").write_text(SCRIPT + functions)
    for name in WAYS:
        project.write(f"in/{name}", name)
    ended = project.fanout("run", "pipeline.yml", "--name", "r", patience=240)
    assert ended.code == 0, ended.said
    logs = project.folder / ".fanout/runs/r/score/logs"
    with (logs / "sys/job_report/processed_mini-batches.csv").open(newline="") as file:
        rows = {int(row["Mini-batch Id"]): row for row in csv.DictReader(file)}
    assert len(rows) == len(WAYS), "each mini-batch was tried once"
    attempts = {
        name: Attempt(rows[index]["Status"], rows[index]["Error Category"], rows[index]["Error Message"])
        for index, name in enumerate(sorted(WAYS))
    }
    output = project.output().decode().splitlines()
    return Told(attempts, ended.said, output, project.folder, [pid for _, _, pid in project.attempts()])


WELL = (
    "good", "closes-0-1-2", "closes-stdout", "changes-cwd", "removes-cwd", "forks", "leaves-a-child", "leaves-a-thread",
    "patches-json", "prints-bytes", "removes-output", "output-link", "output-fifo", "output-good",
)  # fmt: skip
BADLY = {
    "none": ("bad_return", "NoneType"),
    "number": ("bad_return", "it returned int (5)"),
    "text": ("bad_return", "it returned str"),
    "generator": ("bad_return", "it returned generator"),
    "unprintable": ("bad_return", "RuntimeError: no text"),
    "lying-length": ("bad_return", "ValueError"),
    "half-character": ("bad_return", "UnicodeEncodeError"),
    "raises": ("exception", "ValueError: a reason"),
    "raises-system-exit": ("exception", "the script called sys.exit('a reason to leave')"),
    "raises-keyboard-interrupt": ("exception", "KeyboardInterrupt"),
    "raises-generator-exit": ("exception", "GeneratorExit: closed"),
    "raises-base-exception": ("exception", "Mine: base"),
    "raises-unprintable": ("exception", "Mine: its own text cannot be made"),
    "raises-hugely": ("exception", "characters left out"),
    "raises-half-character": ("exception", "ValueError: caf"),
    "recursion": ("exception", "RecursionError"),
    "memory": ("exception", "MemoryError"),
    "exit-0": ("exit", "exit code 0"),
    "exit-7": ("exit", "exit code 7"),
    "abort": ("signal", "SIGABRT"),
    "segfault": ("signal", "SIGSEGV"),
    "kill-itself": ("signal", "SIGKILL"),
    "endless": ("time_limit", "longer than 3 seconds"),
    "endless-ignoring-sigterm": ("time_limit", "longer than 3 seconds"),
    "endless-catching-all": ("time_limit", "longer than 3 seconds"),
    "stopped": ("time_limit", "longer than 3 seconds"),
    "closes-everything": ("exit", "exit code"),
    "writes-to-the-channel": ("garbled", "a file descriptor that is not its own"),
    "output-newline": ("bad_return", "must be UTF-8 without backslashes and control characters"),
    "output-bytes": ("bad_return", "must be UTF-8 without backslashes and control characters"),
}


@pytest.mark.parametrize("way", BADLY)
def test_reason_is_told(told: Told, way: str) -> None:
    """The attempt has failed with what was seen, and nothing else was made of it."""
    cause, words = BADLY[way]
    attempt = told.attempts[way]
    assert (attempt.status, attempt.cause) == ("failed", cause), attempt
    assert words in attempt.message
    assert len(attempt.message) < 2000


@pytest.mark.parametrize("way", WELL)
def test_what_harms_nobody_is_no_failure(told: Told, way: str) -> None:
    """Odd, and allowed."""
    assert told.attempts[way] == Attempt("succeeded", "", "")


def test_the_others_are_not_harmed(told: Told) -> None:
    """One row for each that succeeded; files of failed attempts, links and pipes are in no output."""
    succeeded = [name for name, attempt in told.attempts.items() if attempt.status == "succeeded"]
    assert len(told.output) == len(succeeded)
    assert {path.name for path in (told.folder / "plots").rglob("*")} == {"good plot%20.txt"}
    assert set(WAYS) - set(WELL) - set(BADLY) <= {"unpicklable", "patches-os"}


def test_nothing_is_left_running(told: Told, tools: Any) -> None:
    """Children that the script has left end with their slot."""
    assert told.children
    tools.wait_until(lambda: not tools.alive(told.children))


def test_what_is_told_can_be_read(told: Told) -> None:
    """Neither a text of fifty megabytes nor bytes that are no text reach the terminal."""
    assert len(told.said) < 100_000
    assert "fanout failures r" in told.said  # which tells those that find no room here
    assert "fanout status r" in told.said
    assert "�" not in told.said


@pytest.mark.parametrize(
    ("init", "words"),
    [
        ("import sys; sys.exit(42)", "sys.exit(42)"),
        ("import os; os._exit(0)", "exit code 0"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
    ],
)
def test_init_that_leaves_fails_the_step(project: Any, init: str, words: str) -> None:
    """The reason is what was seen, whatever way it took."""
    project.write("src/score.py", f"def init():\n    {init}\n\ndef run(b):\n    return b\n")
    ended = project.fanout("run", "pipeline.yml")
    assert ended.code == 1, ended.said
    assert words in ended.said


@pytest.mark.parametrize(
    "shutdown",
    ["raise ValueError('late')", "import os; os._exit(1)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"],
)
def test_shutdown_that_fails_takes_no_result_away(project: Any, shutdown: str) -> None:
    """What was committed counts; the failure is told."""
    project.write(
        "src/score.py",
        f"def run(b):\n    return [p.rpartition('/')[2] for p in b]\n\ndef shutdown():\n    {shutdown}\n",
    )
    ended = project.fanout("run", "pipeline.yml")
    assert ended.code == 0, ended.said
    assert project.output() == b"".join(b"%03d.txt\n" % number for number in range(60))


def test_terminal_signals_do_not_reach_slots(project: Any, tools: Any) -> None:
    """A script that ignores every signal it can ends all the same when the run is stopped."""
    project.write(
        "src/score.py",
        """\
        import os, signal, time
        from pathlib import Path
        def init():
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
        def run(mini_batch, context):
            os.setpgid(0, 0) if os.getpgid(0) != os.getpid() else None
            Path(os.environ["MARKS"], f"{context.minibatch_index}-0-{os.getpid()}-{time.monotonic_ns()}").touch()
            time.sleep(600)
        """,
    )
    process = project.start("run", "pipeline.yml")
    attempts = project.wait_for_attempts(2, process)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stdout + stderr
    tools.wait_until(lambda: not tools.alive([pid for _, _, pid in attempts]))
