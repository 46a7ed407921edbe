import json
from pathlib import Path
from typing import Any


def test_a_run_from_its_start_to_the_eyes(fanout: Any, pipeline: Path, folder: Path) -> None:
    """Run, list, status, logs, resume: each verb finds the run that the first one made."""
    said = fanout("run", "pipeline.yml", "--name", "mine")
    assert said.code == 0, said.err
    assert said.out.startswith("run mine started: 1 step\n")
    assert f"  score.rows  {folder}/rows.txt\n" in said.out
    assert (folder / "rows.txt").read_text() == "0\n2\n4\n6\n8\n10\n"

    assert fanout("list").out.startswith("mine  ")
    assert fanout("list", "--json").fields["runs"][0]["status"] == "Completed"
    assert "score  Completed in" in fanout("status").out
    assert fanout("status", "mine", "--json").fields["steps"][0]["counts"]["succeeded"] == 3
    assert "did 2\ndid 2\ndid 2\n" in fanout("logs", "mine", "--step", "score", "--node", "0").out
    assert fanout("logs", "--follow").code == 0

    again = fanout("resume", "mine")
    assert again.code == 0
    assert "score: Completed earlier: all 3 mini-batches succeeded" in again.out
    twice = fanout("run", "pipeline.yml", "--name", "mine")
    assert twice.code == 2
    assert "there is a run named mine already" in twice.err


def test_a_failed_run_shows_the_traceback_first(fanout: Any, pipeline: Path, folder: Path) -> None:
    """Exit code 1; the user's own line, the items, and the command to look closer, which works."""
    script = folder / "src" / "score.py"
    script.write_text("def run(mini_batch):\n    raise ValueError('no good')\n")
    said = fanout("run", "pipeline.yml", "--set", "jobs.score.retry_settings={max_retries: 0}")
    assert said.code == 1
    assert f'File "{script}", line 2, in run' in said.out
    assert f"{folder}/in/0.txt; {folder}/in/1.txt" in said.out
    command = next(line for line in said.out.splitlines() if "look closer: " in line).partition("look closer: ")[2]
    closer = fanout(*command.split()[1:])
    assert "ValueError: no good" in closer.out


def test_a_run_as_json_lines(fanout: Any, pipeline: Path) -> None:
    """Every line is an object, the last one the verdict."""
    said = fanout("run", "pipeline.yml", "--json", "--store", "elsewhere")
    found = [json.loads(line) for line in said.out.splitlines()]
    assert [found[0]["event"], found[-1]["event"]] == ["run_started", "run_ended"]
    assert found[-1]["status"] == "Completed"


def test_nothing_starts_with_a_wrong_file(fanout: Any, pipeline: Path, folder: Path) -> None:
    """Exit code 2, no run, no store."""
    assert fanout("run", "pipeline.yml", "--set", "jobs.score.bogus=1").code == 2
    assert not (folder / ".fanout").exists()


def test_only_runs_that_exist_are_resumed(fanout: Any, folder: Path) -> None:
    """Neither a store nor a run is made for a name that is wrong."""
    said = fanout("resume", "nobody")
    assert (said.code, said.out) == (2, "")
    assert "there are no runs here" in said.err
    assert not (folder / ".fanout").exists()
