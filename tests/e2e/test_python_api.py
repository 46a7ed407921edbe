"""The Python API of the installed package, in interpreters of their own."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RUN = """\
import fanout
run = fanout.run("pipeline.yml", name="first")
print(run.status)
"""
RESUME = """\
import fanout
run = fanout.open_run("first").resume()
print(run.status, run.steps["score"].counts.succeeded)
"""


@pytest.fixture
def expected_bytes(expected: Callable[[], bytes]) -> bytes:
    return expected()


def _python(project: Any, program: str, name: str = "program.py") -> "subprocess.Popen[str]":
    """The program, as a script of the project's folder."""
    path = project.write(name, program)
    return subprocess.Popen(
        [sys.executable, str(path)],
        cwd=project.folder,
        env={**os.environ, "MARKS": str(project.marks), **project.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _said(project: Any, program: str) -> str:
    process = _python(project, program)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    return out


def test_a_plain_script_killed_in_the_middle_is_resumed(project: Any, expected_bytes: bytes, tools: Any) -> None:
    """SIGKILL to the script: its nodes leave by themselves, and `resume` in another ends with the same bytes."""
    process = _python(project, RUN)
    attempts = project.wait_for_attempts(10, process)
    process.kill()
    process.communicate()
    tools.wait_until(lambda: not tools.alive(sorted({pid for _, _, pid in attempts})))
    assert _said(project, RESUME) == "Completed 60\n"
    assert project.output() == expected_bytes


def test_ctrl_c_leaves_a_run_that_goes_on(project: Any, expected_bytes: bytes) -> None:
    """KeyboardInterrupt, with a note of how to go on; the command line does so, too."""
    process = _python(project, RUN)
    project.wait_for_attempts(5, process)
    process.send_signal(2)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert 'go on with the run: fanout.open_run("first").resume(), or fanout resume first' in err
    ended = project.fanout("resume", "first")
    assert ended.code == 0, ended.said
    assert project.output() == expected_bytes


def test_a_submitted_run_outlives_its_script(project: Any, expected_bytes: bytes) -> None:
    """The script ends at once; another one waits for the run."""
    _said(project, "import fanout\nfanout.submit('pipeline.yml', name='first')\n")
    assert _said(project, "import fanout\nprint(fanout.open_run('first').wait(90).status)\n") == "Completed\n"
    assert project.output() == expected_bytes


@pytest.mark.parametrize(
    "around",
    [
        "import asyncio\nasync def main():\n    {call}\nasyncio.run(main())\n",
        "import threading\ndef main():\n    {call}\nt = threading.Thread(target=main)\nt.start()\nt.join()\n",
        "if __name__ == '__main__':\n    {call}\n",
    ],
    ids=["running-loop", "thread", "main"],
)
def test_wherever_it_is_called(project: Any, expected_bytes: bytes, around: str) -> None:
    """Under a running loop, from another thread, below the usual guard."""
    call = "print(fanout.run('pipeline.yml').status)"
    assert _said(project, "import fanout\n" + around.format(call=call)) == "Completed\n"
    assert project.output() == expected_bytes


HELPER = "def shout(text):\n    return text.upper()\n"
MAP = """\
import os, time
import fanout
import helper

class Marks:
    pass

def slow(name):
    open(os.path.join(os.environ["MARKS"], f"{name}-0-{os.getpid()}-{time.monotonic_ns()}"), "w").close()
    time.sleep(0.05)
    return helper.shout(f"name {name}")

rows = fanout.map(slow, range(60), name="first", mini_batch_size=2)
print(len(rows))
"""
ROWS = [f"NAME {n}" for n in range(60)]


def test_a_map_of_a_script_without_a_guard_is_resumed(project: Any, tools: Any) -> None:
    """Killed with SIGKILL in the middle; the function is that of `__main__`, and uses a module beside the script.

    Another program, in another folder, goes on from the store alone: the script and its module are gone.
    """
    project.write("helper.py", HELPER)
    process = _python(project, MAP)
    attempts = project.wait_for_attempts(10, process)
    process.kill()
    process.communicate()
    tools.wait_until(lambda: not tools.alive(sorted({pid for _, _, pid in attempts})))
    (project.folder / "helper.py").unlink()
    (project.folder / "program.py").unlink()
    resume = (
        "import fanout\nrun = fanout.open_run('first').resume()\n"
        f"assert run.output().rows() == {ROWS!r}\nprint(run.output().path)\n"
    )
    path = _said(project, resume).strip()
    undisturbed = MAP.replace('name="first"', 'name="second"').replace("print(len(rows))", "")
    project.write("helper.py", HELPER)
    _said(project, undisturbed)
    assert Path(path).read_bytes() == Path(path.replace("/first/", "/second/")).read_bytes()


def test_the_report_is_that_of_the_command(project: Any) -> None:
    """The same bytes as `fanout report` but for the time of making, where it was asked for and by default."""
    assert project.fanout("run", "pipeline.yml", "--name", "first").code == 0
    assert project.fanout("report", "first", "-o", "of-command.html").code == 0
    program = """\
    import fanout
    run = fanout.open_run("first")
    print(run.report("of-python.html"), run.report())
    """
    assert _said(project, program) == "of-python.html report-first.html\n"
    files = ("of-command.html", "of-python.html", "report-first.html")
    made = [re.subn(r'"now":[0-9.]+', "", (project.folder / name).read_text()) for name in files]
    assert made[0][1] == 1
    assert made[0] == made[1] == made[2]
