"""`fanout run SCRIPT --over DATA`: the installed command, real processes, no pipeline file."""

import csv
import json
import os
import signal
from typing import Any

SCRIPT = """\
import os, time
from pathlib import Path

def run(mini_batch, context):
    marks = Path(os.environ["MARKS"])
    (marks / f"{context.minibatch_index}-{context.retry_count}-{os.getpid()}-{time.monotonic_ns()}").touch()
    while len(list(marks.iterdir())) > 4 and not marks.with_name("go").exists(): time.sleep(0.01)
    if marks.with_name("bad").exists() and context.minibatch_index == 2:
        raise ValueError("the third is bad")
    return [{"file": Path(p).name, "text": Path(p).read_text()} for p in mini_batch]
"""
FUNCTION = """\
def total(rows):
    rows["total"] = rows["amount"] * 2
    return rows
"""


def _files(project: Any, count: int) -> None:
    project.marks.mkdir(exist_ok=True)
    project.write("score.py", SCRIPT)
    for number in range(count):
        project.write(f"data/{number:02d}.txt", f"content {number}")


def test_a_csv_and_a_function(empty_project: Any) -> None:
    """Rows come back in order, and no value changes: zeros before numbers, and fractions after 251 rows."""
    project = empty_project
    project.write("score.py", FUNCTION)
    rows = [(f"{n:05d}", str(n if n < 251 else n + 0.5)) for n in range(300)]
    project.write("rows.csv", "zip,amount\n" + "".join(f"{zip_},{amount}\n" for zip_, amount in rows))
    ended = project.fanout("run", "score.py:total", "--over", "rows.csv", "--rows", "100", "-o", "out.csv")
    assert ended.code == 0, ended.said
    assert "all 3 mini-batches succeeded" in ended.stdout
    with (project.folder / "out.csv").open() as file:
        found = list(csv.DictReader(file))
    assert [row["zip"] for row in found] == [zip_ for zip_, _ in rows]
    assert [float(row["total"]) for row in found] == [2 * float(amount) for _, amount in rows]


def test_a_script_that_is_killed_goes_on(empty_project: Any) -> None:
    """By the name of the run: `status` knows it, `resume` gives the same rows and repeats nothing that was done."""
    project = empty_project
    _files(project, 12)
    words = ("run", "score.py", "--over", "data/", "--size", "1", "-o", "out.jsonl", "--name", "brave")
    process = project.start(*words)
    project.wait_for_attempts(5, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert "brave" in project.fanout("status", "brave").stdout
    project.let_go()
    ended = project.fanout("resume", "brave")
    assert ended.code == 0, ended.said
    rows = [json.loads(line) for line in project.output("out.jsonl").splitlines()]
    assert rows == [{"file": f"{n:02d}.txt", "text": f"content {n}"} for n in range(12)]


def test_a_failure_is_shown_and_redriven(empty_project: Any) -> None:
    """Exit code 1, the script's own line in `failures`; the code as it is now ends the run well."""
    project = empty_project
    _files(project, 8)
    project.let_go()
    (project.folder / "bad").touch()
    key = "jobs.score.retry_settings.max_retries=0"
    words = ("run", "score.py", "--over", "data", "--size", "2", "-o", "out.csv", "--name", "mine", "--set", key)
    ended = project.fanout(*words)
    assert ended.code == 1, ended.said
    failures = project.fanout("failures", "mine")
    assert "ValueError: the third is bad" in failures.stdout
    assert f'File "{project.folder}/score.py", line 9, in run' in failures.stdout
    project.write("score.py", SCRIPT.replace("index == 2", "index == -1"))
    again = project.fanout("redrive", "mine", "--new-code")
    assert again.code == 0, again.said
    assert len(project.output("out.csv").splitlines()) == 9


def test_a_plan_of_a_function(empty_project: Any) -> None:
    """How the rows would be read and cut; nothing is run or written."""
    project = empty_project
    project.write("score.py", FUNCTION)
    project.write("rows.csv", "zip,amount\n" + "".join(f"{n:05d},{n}\n" for n in range(300)))
    ended = project.fanout("plan", "score.py:total", "--over", "rows.csv", "--rows", "100")
    assert ended.code == 0, ended.said
    assert ended.stdout.startswith("total: 3 mini-batches, 300 items\n")
    assert "zip text, amount int" in ended.stdout
    assert not (project.folder / ".fanout").exists()


def test_options_that_do_not_go_together(empty_project: Any) -> None:
    """Exit code 2 and what would be right; nothing is started."""
    project = empty_project
    _files(project, 1)
    for words, sentence in (
        (("score.py",), "score.py is no pipeline file: give what it runs over, such as --over data/"),
        (("pipeline.yml", "--rows", "3"), "--rows, --size and --output go with --over"),
        (("pipeline.yml", "--over", "data"), "pipeline.yml is neither"),
        (("score.py", "--over", "data", "--input", "a=1"), "have data by --over"),
    ):
        ended = project.fanout("run", *words)
        assert ended.code == 2, ended.said
        assert sentence in ended.stderr
    assert not (project.folder / ".fanout").exists()
