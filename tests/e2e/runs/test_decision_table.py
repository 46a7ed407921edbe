"""The worked cases of the reference's section 10, row by row, through the command line.

27 files, three a mini-batch: nine mini-batches, as there. `SCRIPT` does to each mini-batch what the row says.
"""

from typing import Any

import pytest

PIPELINE = """\
type: pipeline
inputs:
  files: {type: uri_folder, path: ./in}
jobs:
  score:
    type: parallel
    mini_batch_size: "3"
    max_concurrency_per_instance: 2
    error_threshold: -1
    mini_batch_error_threshold: -1
    retry_settings: {max_retries: 0}
    environment_variables: {DOES: none}
    inputs: {data: "${{parent.inputs.files}}"}
    outputs: {rows: {type: uri_file, path: ./scores.txt}}
    input_data: ${{inputs.data}}
    task:
      type: run_function
      code: ./src
      entry_script: score.py
      program_arguments: --allowed_failed_percent 100
      APPEND
"""
SCRIPT = """\
import os
from pathlib import Path

def run(mini_batch, context):
    does, rows = os.environ["DOES"], [Path(file).name for file in mini_batch]
    if does.startswith("first-") and context.minibatch_index < int(does[6:]):
        raise ValueError("one of the first")
    if does == "once" and context.retry_count == 0:
        raise ValueError("once")
    return {"none": None, "empty": [], "more": [row for row in rows for _ in range(2)]}.get(does, rows)
"""
NO_ROW = "no mini-batch returned anything"
ALL, LAST_FOUR = [f"{number:02d}.txt" for number in range(27)], [f"{number:02d}.txt" for number in range(15, 27)]


@pytest.mark.parametrize(
    ("does", "items", "batches", "percent", "appends", "said", "rows"),
    [
        pytest.param("empty", -1, 5, 100, False, None, None, id="all return [], summary_only"),
        pytest.param("empty", -1, 5, 100, True, NO_ROW, None, id="all return [], append_row"),
        pytest.param("empty", 5, -1, 100, False, "more than error_threshold 5", None, id="all return [], items"),
        pytest.param("first-5", -1, 5, 100, True, None, LAST_FOUR, id="5 of 9 raise"),
        pytest.param("first-6", -1, 5, 100, True, "more than mini_batch_error_threshold 5", None, id="6 of 9 raise"),
        pytest.param("first-3", 5, 5, 30, True, "more than ", None, id="3 of 9 raise, three checks"),
        pytest.param("first-3", -1, -1, 30, True, "33.3 %, more than allowed_failed_percent 30", None, id="percent"),
        pytest.param("once", -1, 0, 0, True, None, ALL, id="raises once"),
        pytest.param("more", 0, 0, 0, True, None, [n for n in ALL for _ in range(2)], id="more rows than items"),
        pytest.param("none", -1, 0, 100, False, "more than mini_batch_error_threshold 0", None, id="returns None"),
        pytest.param("first-9", -1, -1, 100, False, None, None, id="every run() raises, summary_only"),
        pytest.param("first-9", -1, -1, 100, True, "all 9 mini-batches failed", None, id="every run(), append_row"),
    ],
)
def test_row(
    empty_project: Any,
    does: str,
    items: int,
    batches: int,
    percent: int,
    appends: bool,
    said: str | None,
    rows: list[str] | None,
) -> None:
    """Completed with exit code 0 and exactly the rows of the table, or Failed with 1, its reason and no output."""
    project = empty_project
    append = "append_row_to: ${{outputs.rows}}" if appends else "{}"
    project.write("pipeline.yml", PIPELINE.replace("APPEND", append).replace("\n      {}", ""))
    project.write("src/score.py", SCRIPT)
    for name in ALL:
        project.write(f"in/{name}", "")
    step = "jobs.score"
    ended = project.fanout(
        "run",
        "pipeline.yml",
        *("--set", f"{step}.environment_variables.DOES={does}"),
        *("--set", f"{step}.error_threshold={items}"),
        *("--set", f"{step}.mini_batch_error_threshold={batches}"),
        *("--set", f"{step}.retry_settings.max_retries={1 if does == 'once' else 0}"),
        *("--set", f"{step}.task.program_arguments=--allowed_failed_percent {percent}"),
    )
    assert ended.code == (0 if said is None else 1), ended.said
    assert said is None or said in ended.said
    output = project.folder / "scores.txt"
    assert (output.read_text().splitlines() if output.exists() else None) == rows
