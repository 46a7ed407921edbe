"""What may take how long: init() by itself, the first mini-batch, progress; and how long a run took in all."""

import os
import re
import signal
from typing import Any

INIT = "import time\n\ndef init():\n    time.sleep({})\n\ndef run(files):\n    return files\n"
HANGS = "import time\n\ndef run(mini_batch):\n    time.sleep(600)\n"


def _arguments(project: Any, arguments: str, timeout: int, retries: int = 0) -> None:
    text = (project.folder / "pipeline.yml").read_text()
    text = text.replace("max_retries: 2, timeout: 60", f"max_retries: {retries}, timeout: {timeout}")
    project.write(
        "pipeline.yml",
        text.replace("      append_row_to", f"      program_arguments: {arguments}\n      append_row_to"),
    )
    for path in (project.folder / "in").iterdir():
        if int(path.stem) >= 4:
            path.unlink()


def _job_result(project: Any) -> str:
    [path] = project.folder.glob(".fanout/runs/r/score/logs/job_result.txt")
    return str(path.read_text())


def test_init_may_take_longer_than_run(project: Any) -> None:
    """A timeout of one second is for run(); loading is not running."""
    _arguments(project, "--x y", timeout=1)
    project.write("src/score.py", INIT.format(3))
    ended = project.fanout("run", "pipeline.yml", "--set", "jobs.score.mini_batch_error_threshold=0")
    assert ended.code == 0, ended.said


def test_first_task_creation_timeout_counts_to_the_first_run(project: Any) -> None:
    """A script whose init() takes longer fails the step, with the argument that allows more and where it was."""
    _arguments(project, "--first_task_creation_timeout 1", timeout=60)
    project.write("src/score.py", INIT.format(600))
    ended = project.fanout("run", "pipeline.yml")
    assert ended.code == 1, ended.said
    assert "loading the script and init() took longer than 1 seconds" in ended.stdout
    assert "--first_task_creation_timeout allows more" in ended.stdout
    assert ", in init\n" in ended.stdout


def test_attempts_that_a_step_is_ended_in_are_counted(project: Any) -> None:
    """Two are under way when no mini-batch has ended for so long: they are in no result, and not forgotten."""
    _arguments(project, "--progress_update_timeout 8", timeout=60)
    project.write("src/score.py", HANGS)
    ended = project.fanout("run", "pipeline.yml", "--name", "r")
    assert ended.code == 1, ended.said
    assert "no progress in 8 seconds" in ended.stdout
    assert "under way when the step was ended, and killed: 2" in _job_result(project)


def test_a_run_that_is_taken_up_again_took_as_long_as_from_its_start(project: Any) -> None:
    """With the log of what the supervisor before did."""
    _arguments(project, "--x y", timeout=60, retries=2)
    held = project.folder / "held"
    held.touch()
    project.write(
        "src/score.py",
        f"""
        import os, time
        from pathlib import Path

        def run(files, context):
            marks = Path(os.environ["MARKS"])
            mark = context.minibatch_index, context.retry_count, os.getpid(), time.monotonic_ns()
            (marks / "-".join(map(str, mark))).touch()
            while Path({str(held)!r}).exists():
                time.sleep(0.05)
            return files
        """,
    )
    process = project.start("run", "pipeline.yml", "--name", "r")
    project.wait_for_attempts(1, process)
    records = [project.folder / ".fanout/runs/r" / name for name in ("run.json", "score/step.json")]
    begun = records[1].stat().st_mtime
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    for record in records:
        os.utime(record, (begun - 3600, begun - 3600))
    held.unlink()
    ended = project.fanout("resume", "r")
    assert ended.code == 0, ended.said
    took = re.search(r"^Took ([\d.]+) seconds in all", _job_result(project), re.MULTILINE)
    assert took is not None
    assert 3600 < float(took[1]) < 3800
    assert "Completed in 1 h 00 min" in project.fanout("status", "r").stdout
    logs = [path.read_text() for path in project.folder.glob(".fanout/runs/r/score/logs/sys/master_role.*.txt")]
    assert sum(text.count("supervising") for text in logs) == 2  # one file when both began in the same second
