"""`fanout failures` on runs of this machine."""

import json
from pathlib import Path
from typing import Any

import pytest

BAD = """\
from pathlib import Path

def run(mini_batch, context):
    if context.minibatch_index == 0 and context.retry_count == 0:
        raise KeyError("once")
    for path in mini_batch:
        if int(Path(path).read_text()) >= 4:
            raise ValueError(f"{path} is bad")
    return mini_batch
"""


@pytest.fixture
def failed(fanout: Any, pipeline: Path, folder: Path) -> None:
    """Run `r`, whose third mini-batch of three has failed."""
    (folder / "src" / "score.py").write_text(BAD)
    assert fanout("run", "pipeline.yml", "--name", "r", "--set", "jobs.score.retry_settings={max_retries: 1}").code == 0


def test_failures_for_people(fanout: Any, failed: None, folder: Path) -> None:
    """The traceback with the author's own path, the items, the commands; what succeeded later only on demand."""
    said = fanout("failures", "r")
    assert said.code == 0, said.err
    assert said.out.startswith("score: Completed with failures; 1 failed of 3 mini-batches\n")
    assert f'File "{folder}/src/score.py", line 8, in run' in said.out
    assert f"mini-batch 2: failed, 2 failed tries: {folder}/in/4.txt; {folder}/in/5.txt\n" in said.out
    assert "look closer: fanout run-one r 2 --step score\n" in said.out
    assert "try again:   fanout redrive r --step score --mini-batch 2\n" in said.out
    assert "with changed code: fanout redrive r --step score --mini-batch 2 --new-code\n" in said.out
    assert "KeyError" not in said.out
    every = fanout("failures", "r", "--step", "score", "--all-attempts").out
    assert "mini-batch 0: succeeded later, 1 failed try" in every


def test_failures_for_programs(fanout: Any, failed: None, folder: Path) -> None:
    """A line for the step, each kind, each mini-batch; attempts count from 1."""
    found = [json.loads(line) for line in fanout("failures", "--json").out.splitlines()]
    assert [fields["record"] for fields in found] == ["step", "kind", "mini_batch"]
    step, kind, batch = found
    assert (step["status"], step["counts"]["failed"], step["unfinished"]) == ("Completed", 1, [])
    assert (kind["count"], kind["given_up"], kind["cause"]) == (2, 1, "exception")
    assert kind["traceback"].endswith("is bad\n")
    assert batch["items"] == [f"file://{folder}/in/4.txt", f"file://{folder}/in/5.txt"]
    assert [(one["attempt"], one["status"]) for one in batch["tries"]] == [(1, "retried"), (2, "failed")]
    assert {one["kind"] for one in batch["tries"]} == {kind["kind"]}


def test_a_script_that_cannot_start(fanout: Any, pipeline: Path, folder: Path) -> None:
    """The failure of init() is told, and that no mini-batch was finished."""
    (folder / "src" / "score.py").write_text("def init():\n    raise OSError('no model')\ndef run(b):\n    return b\n")
    assert fanout("run", "pipeline.yml", "--name", "r").code == 1
    said = fanout("failures", "r").out
    assert "the script could not be started, 3 times" in said
    assert "OSError: no model" in said
    assert "never finished: 3 mini-batches: 0-2\n" in said
    records = [json.loads(line) for line in fanout("failures", "r", "--json").out.splitlines()]
    events = [fields for fields in records if fields["record"] == "event"]
    assert [event["gave_up"] for event in events] == [False, False, True]
    assert records[0]["unfinished"] == [[0, 2]]


def test_a_failed_command(fanout: Any, folder: Path) -> None:
    """Its reason and its last words; a step behind it did not run. Logs say whose they are."""
    (folder / "pipeline.yml").write_text(
        "type: pipeline\njobs:\n  a: {type: command, command: echo oh no; exit 3}\n"
        "  b: {type: command, command: 'true', depends_on: [a]}\n"
    )
    assert fanout("run", "pipeline.yml", "--name", "r").code == 1
    said = fanout("failures", "r").out
    assert said == "a: Failed\n   the command ended with exit code 3\n   oh no\nb: did not run\n"
    assert fanout("logs", "r").out == "==> a: user_logs/std_log.txt <==\noh no\n"
    assert fanout("logs", "r", "--step", "a").out == "==> user_logs/std_log.txt <==\noh no\n"
    found = [json.loads(line) for line in fanout("failures", "r", "--json").out.splitlines()]
    assert [(fields["step"], fields["status"], fields["said"]) for fields in found] == [
        ("a", "Failed", "oh no\n"),
        ("b", None, ""),
    ]


def test_no_such_step(fanout: Any, failed: None) -> None:
    """The steps there are are named."""
    said = fanout("failures", "r", "--step", "x")
    assert (said.code, said.err) == (2, "run r has no step x; it has score\n")


def test_each_mini_batch_has_its_own_message(fanout: Any, pipeline: Path, folder: Path) -> None:
    """Alike ones are one group, with one traceback, and what each of them said is on its line."""
    (folder / "src" / "score.py").write_text(
        "def run(mini_batch, context):\n    raise ValueError(f'no {context.minibatch_index}\\x1b[31m, sorry')\n"
    )
    fanout("run", "pipeline.yml", "--name", "r", "--set", "jobs.score.retry_settings={max_retries: 0}")
    said = fanout("failures").out
    assert said.count("Traceback") == 1
    lines = said.splitlines()
    for index in range(3):
        at = next(n for n, line in enumerate(lines) if line.startswith(f"   mini-batch {index}: failed"))
        assert lines[at + 1].strip().startswith(f"ValueError: no {index}")
    assert "\x1b" not in said
