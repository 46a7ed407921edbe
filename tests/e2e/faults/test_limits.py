"""A machine that has run out of something: a failed attempt, or an error that says what; never a hang."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FANOUT = Path(sys.executable).with_name("fanout")
PATIENCE = 90.0


def _limited(project: Any, limit: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """`fanout …` under a limit that the shell sets for it and all its children; fails the test when it hangs."""
    process = subprocess.Popen(
        ["/bin/bash", "-c", f'{limit}; exec "$@"', "bash", str(FANOUT), *arguments],
        cwd=project.folder,
        env={**os.environ, "MARKS": str(project.marks), **project.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        pytest.fail(f"hangs under {limit}:\n{stdout}\n{stderr}")
    return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)


def _said(ended: subprocess.CompletedProcess[str]) -> str:
    return ended.stdout + ended.stderr


def test_a_disk_that_is_full_at_the_first_write(project: Any) -> None:
    """Nothing larger than 1 KiB can be written: an error that says so, with the exit code of the machine's trouble."""
    ended = _limited(project, "ulimit -f 1", "run", "pipeline.yml")
    assert ended.returncode == 3, _said(ended)
    assert "File too large" in _said(ended) or "disk" in _said(ended), _said(ended)
    assert "Traceback" not in _said(ended)


def test_a_disk_that_is_full_while_the_step_runs(project: Any) -> None:
    """Neither queue nor results can be written: the progress clock ends the step, and what was done is not lost."""
    project.write("fanout.toml", "visibility = 1\n")
    project.write(
        "src/score.py",
        """\
        import os
        def run(mini_batch):
            return [os.path.basename(p) + " " + "x" * 20_000 for p in mini_batch]
        """,
    )
    clock = ("--set", "jobs.score.task.program_arguments=--progress_update_timeout 10")
    ended = _limited(project, "ulimit -f 400", "run", "pipeline.yml", "--name", "r", *clock)
    assert ended.returncode in (1, 3), _said(ended)
    assert "no progress in 10 seconds" in _said(ended) or "File too large" in _said(ended), _said(ended)
    assert not (project.folder / "scores.txt").exists()
    verb = "redrive" if ended.returncode == 1 else "resume"
    again = project.fanout(verb, "r")
    assert again.code == 0, again.said
    assert [line.split()[0] for line in project.output().splitlines()] == [b"%03d.txt" % number for number in range(60)]


def test_a_script_that_fills_the_disk_fails_its_attempt(project: Any) -> None:
    """Told by the script's own error; the other mini-batches are not harmed."""
    project.write(
        "src/score.py",
        """\
        import os
        def run(mini_batch, context):
            if context.minibatch_index == 3:
                with open(os.environ["MARKS"] + "/large", "wb") as file:
                    file.write(bytes(100_000_000))
            return [os.path.basename(p) for p in mini_batch]
        """,
    )
    ended = _limited(
        project, "ulimit -f 20000", "run", "pipeline.yml", "--set", "jobs.score.retry_settings.max_retries=0"
    )
    assert ended.returncode == 0, _said(ended)
    assert "File too large" in _said(ended)
    assert len(project.output().splitlines()) == 59


@pytest.mark.parametrize("files", [12, 16, 40])
def test_too_few_file_descriptors(project: Any, files: int) -> None:
    """However few there are: it works, or it ends with an error that says what is missing."""
    ended = _limited(project, f"ulimit -n {files}", "run", "pipeline.yml")
    assert ended.returncode in (0, 1, 3), _said(ended)
    if ended.returncode:
        assert "Too many open files" in _said(ended) or "unable to open" in _said(ended), _said(ended)
    else:
        assert len(project.output().splitlines()) == 60


def test_a_script_that_uses_up_its_descriptors_fails_its_attempt(project: Any) -> None:
    """The slot goes on when the script gives them back, and the node never notices."""
    project.write(
        "src/score.py",
        """\
        import os
        def run(mini_batch, context):
            if context.minibatch_index % 10 == 3:
                files = []
                while True:
                    files.append(open("/dev/null"))
            return [os.path.basename(p) for p in mini_batch]
        """,
    )
    ended = _limited(
        project, "ulimit -n 256", "run", "pipeline.yml", "--set", "jobs.score.retry_settings.max_retries=0"
    )
    assert ended.returncode == 0, _said(ended)
    assert "Too many open files" in _said(ended)
    assert len(project.output().splitlines()) == 54


def test_a_slot_at_its_memory_limit_fails_its_attempt(project: Any) -> None:
    """MemoryError is an error like others; the slot goes on with the next mini-batch."""
    project.write(
        "src/score.py",
        """\
        import os, resource
        def init():
            resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        def run(mini_batch, context):
            if context.minibatch_index == 3:
                return [bytearray(1 << 32)]
            return [os.path.basename(p) for p in mini_batch]
        """,
    )
    ended = project.fanout("run", "pipeline.yml", "--set", "jobs.score.retry_settings.max_retries=0")
    assert ended.code == 0, ended.said
    assert "MemoryError" in ended.said
    assert len(project.output().splitlines()) == 59


@pytest.mark.parametrize("temporary", ["missing", "file"])
def test_no_temporary_folder(project: Any, temporary: str) -> None:
    """With a store that is a folder none is needed."""
    project.write("file", "")
    ended = _limited(project, "true", "run", "pipeline.yml", TMPDIR=str(project.folder / temporary))
    assert ended.returncode == 0, _said(ended)
    assert len(project.output().splitlines()) == 60


def test_a_store_that_cannot_be_made(project: Any) -> None:
    """A file where a folder must be: said at once."""
    project.write("fanout.toml", 'store = "./file/runs"\n')
    project.write("file", "")
    ended = project.fanout("run", "pipeline.yml")
    assert ended.code in (2, 3), ended.said
    assert "file/runs" in ended.said
    assert "Traceback" not in ended.said
