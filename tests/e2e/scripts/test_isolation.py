"""Bad items are found and left out, the good ones of their mini-batches are in the output: the whole way, for real."""

import json
import os
import signal
from typing import Any

import pytest

ITEMS = 40
FILES = """\
    import os, time
    from pathlib import Path

    def run(batch, context):
        marks = Path(os.environ["MARKS"])
        (marks / f"{context.minibatch_index}-{context.retry_count}-{os.getpid()}-{time.monotonic_ns()}").touch()
        time.sleep(0.01)
        out = []
        for path in batch:
            number = int(Path(path).stem)
            if number in (3, 17):
                raise ValueError(f"item {number} is bad")
            if number == 30:
                os._exit(5)
            out.append(f"{number}: {Path(path).read_text()}")
        return out
"""
TABLE = """\
    import os, signal
    def run(frame):
        if (frame.x == 17).any():
            os.kill(os.getpid(), signal.SIGKILL)
        if frame.x.isin([3, 4]).any():
            raise ValueError("three or four")
        return frame
"""
PIPELINE = """\
    type: pipeline
    inputs:
      data: {{type: {type}, path: ./in}}
    outputs:
      scores: {{type: uri_file, path: ./scores.csv}}
    jobs:
      score:
        type: parallel
        {cut}
        max_concurrency_per_instance: 2
        isolate_failures: true
        retry_settings: {{max_retries: {retries}}}
        {more}
        inputs: {{data: "${{{{parent.inputs.data}}}}"}}
        outputs: {{rows: "${{{{parent.outputs.scores}}}}"}}
        input_data: ${{{{inputs.data}}}}
        task: {{type: run_function, code: ./src, entry_script: score.py, append_row_to: "${{{{outputs.rows}}}}"}}
"""


@pytest.fixture
def files(empty_project: Any) -> Any:
    """40 files, ten a mini-batch, of which two raise and one kills its process."""
    project = empty_project
    project.write("pipeline.yml", PIPELINE.format(type="uri_folder", cut='mini_batch_size: "10"', retries=1, more=""))
    project.write("src/score.py", FILES)
    for number in range(ITEMS):
        project.write(f"in/{number:03d}.txt", f"content {number}")
    return project


GOOD = [f"{n}: content {n}" for n in range(ITEMS) if n not in (3, 17, 30)]


def test_bad_files_alone_are_left_out(files: Any) -> None:
    """Three of forty files: the run is Completed with their loss, names each, and has every other row, in order."""
    ended = files.fanout("run", "pipeline.yml")
    assert ended.code == 0, ended.said
    assert files.output("scores.csv").decode().splitlines() == GOOD
    assert "3 of 40 items failed" in ended.said
    assert "item 3, attempt 2" in ended.said
    [run] = files.runs()
    told = files.fanout("failures", run).stdout
    for number in (3, 17, 30):
        assert f"{number:03d}.txt" in told
    records = [json.loads(line) for line in files.fanout("failures", run, "--json").stdout.splitlines()]
    found = {r["mini_batch"]: (r["status"], r["failed_items"]) for r in records if r["record"] == "mini_batch"}
    assert found == {
        0: ("partly_failed", [[3, 4]]),
        1: ("partly_failed", [[7, 8]]),
        3: ("partly_failed", [[0, 1]]),
    }


def test_a_threshold_of_items_counts_them(files: Any) -> None:
    """error_threshold is about items: two are too few for three bad ones."""
    files.write(
        "pipeline.yml",
        PIPELINE.format(type="uri_folder", cut='mini_batch_size: "10"', retries=1, more="error_threshold: 2"),
    )
    ended = files.fanout("run", "pipeline.yml")
    assert ended.code == 1
    assert "failed items: 3, more than error_threshold 2 allows" in ended.said


@pytest.mark.parametrize("calls", [3, 9, 16])
def test_resume_in_the_middle_of_a_search(files: Any, calls: int) -> None:
    """Killed with its nodes while parts are on their way, the run ends with the same bytes (fault 12)."""
    files.hold_after(calls - 1)
    process = files.start("run", "pipeline.yml")
    files.wait_for_attempts(calls, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    files.let_go()
    [run] = files.runs()
    ended = files.fanout("resume", run)
    assert ended.code == 0, ended.said
    assert files.output("scores.csv").decode().splitlines() == GOOD


def test_redrive_does_the_failed_items_and_no_others(files: Any) -> None:
    """With the script mended, a redrive runs three files again and completes the output."""
    files.fanout("run", "pipeline.yml")
    [run] = files.runs()
    files.write("src/score.py", FILES.replace("(3, 17)", "()").replace("== 30", "== -1"))
    before = set(files.marks.iterdir())
    ended = files.fanout("redrive", run, "--new-code")
    assert ended.code == 0, ended.said
    assert files.output("scores.csv").decode().splitlines() == [f"{n}: content {n}" for n in range(ITEMS)]
    assert len(set(files.marks.iterdir()) - before) == 3


def test_bad_rows_of_a_table_are_left_out(empty_project: Any) -> None:
    """Rows cut by bytes, whose number nobody knows beforehand: a row that kills its process and two that raise."""
    project = empty_project
    project.write("pipeline.yml", PIPELINE.format(type="mltable", cut="mini_batch_size: 60", retries=0, more=""))
    project.write("in/MLTable", "paths:\n- file: ./a.csv\ntransformations:\n- read_delimited\n")
    project.write("in/a.csv", "x,y\n" + "".join(f"{n},y{n}\n" for n in range(24)))
    project.write("src/score.py", TABLE)
    ended = project.fanout("run", "pipeline.yml")
    assert ended.code == 0, ended.said
    rows = [f"{n},y{n}" for n in range(24) if n not in (3, 4, 17)]
    assert project.output("scores.csv").decode().splitlines() == ["x,y", *rows]
    assert "3 of 24 items failed" in ended.said
