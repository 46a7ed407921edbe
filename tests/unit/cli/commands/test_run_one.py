"""`fanout run-one`: one mini-batch in this very process, from the store alone."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """\
import os, sys
from pathlib import Path
from azureml_user.parallel_run import EntryScript
import helper

def init():
    print("init", sys.argv[1:], os.environ["MODE"], Path.cwd().name)

def run(mini_batch, context):
    print("run", context.minibatch_index, context.retry_count, [Path(p).name for p in mini_batch])
    if context.minibatch_index == 2:
        helper.refuse(mini_batch)
    if context.minibatch_index == 1:
        Path(EntryScript().output_dir, "note.txt").write_text("noted")
    return [{"name": Path(p).name} for p in mini_batch]

def shutdown():
    print("shutdown")
"""
HELPER = "def refuse(items):\n    raise ValueError(f'{len(items)} items are too many')\n"
MORE = [
    "--set",
    "jobs.score.task.program_arguments=--rate ${{inputs.rate}}",
    "--set",
    "jobs.score.inputs.rate=0.25",
    "--set",
    "jobs.score.environment_variables={MODE: fast}",
    "--set",
    "jobs.score.retry_settings={max_retries: 0}",
]


@pytest.fixture
def ran(fanout: Any, pipeline: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run `r` of three mini-batches, the last of which failed; the script's folder."""
    (folder / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "tmp"))
    (folder / "src" / "score.py").write_text(SCRIPT)
    (folder / "src" / "helper.py").write_text(HELPER)
    said = fanout("run", "pipeline.yml", "--name", "r", *MORE)
    assert said.code == 0, said.out + said.err
    return folder / "src"


def _store(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(p), p.stat().st_mtime_ns) for p in (folder / ".fanout").rglob("*") if p.is_file())


@pytest.fixture(autouse=True)
def _nothing_is_left_imported() -> Iterator[None]:
    """What a script has imported into this process is gone after the test."""
    yield
    for name in ("score", "helper"):
        sys.modules.pop(name, None)


def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """The script's modules, imported by an earlier call in this process, are to be imported anew."""
    for name in ("score", "helper"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_a_mini_batch_before_ones_eyes(fanout: Any, ran: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments, environment and current folder are those of a slot; nothing in the store changes, no folder stays."""
    _fresh(monkeypatch)
    before, environ, cwd = _store(folder), dict(os.environ), Path.cwd()
    said = fanout("run-one", "r", "0")
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert lines[0] == f"r, step score, mini-batch 0: {folder}/in/0.txt; {folder}/in/1.txt"
    assert lines[2:5] == ["init ['--rate', '0.25'] fast code", "run 0 0 ['0.txt', '1.txt']", "shutdown"]
    assert lines[5].startswith("run() returned a list of 2 elements, 2 rows of the output; reading took ")
    assert lines[6:] == ["  {'name': '0.txt'}", "  {'name': '1.txt'}", "nothing of the run was changed"]
    assert _store(folder) == before
    assert list((folder / "tmp").iterdir()) == []
    assert (dict(os.environ), Path.cwd()) == (environ, cwd)


def test_a_failure_is_shown_with_the_authors_own_lines(
    fanout: Any, ran: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1, the traceback without our frames and with the paths of the code folder."""
    _fresh(monkeypatch)
    said = fanout("run-one", "r", "2", "--step", "score")
    assert said.code == 1
    assert "failed in run():\n  Traceback (most recent call last):\n" in said.out
    assert f'    File "{ran}/helper.py", line 2, in refuse' in said.out
    assert "  ValueError: 2 items are too many\n" in said.out
    assert "fanout/node" not in said.out


def test_output_files_are_kept_and_named(fanout: Any, ran: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of their own, with what was brought there gone."""
    _fresh(monkeypatch)
    said = fanout("run-one", "r", "1")
    assert said.code == 0, said.err
    [scratch] = (folder / "tmp").iterdir()
    assert f"the script wrote 1 file, kept in {scratch}\n" in said.out
    assert [p.name for p in scratch.rglob("*") if p.is_file()] == ["note.txt"]


def test_the_code_of_the_run_or_that_of_today(
    fanout: Any, ran: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The snapshot is what counts, until --new-code asks for the folder; without the folder it says so."""
    (ran / "helper.py").write_text("def refuse(items):\n    pass\n")
    _fresh(monkeypatch)
    assert fanout("run-one", "r", "2").code == 1
    _fresh(monkeypatch)
    said = fanout("run-one", "r", "2", "--new-code")
    assert said.code == 0, said.out
    assert f"code: {ran}, as it is now\n" in said.out
    shutil.rmtree(ran)
    _fresh(monkeypatch)
    assert fanout("run-one", "r", "0").code == 0
    missing = fanout("run-one", "r", "0", "--new-code")
    assert (missing.code, "is not on this machine" in missing.err) == (2, True)


def test_what_is_not_there(fanout: Any, ran: Path, folder: Path) -> None:
    """Exit code 2, a sentence, and no folder left."""
    for arguments, why in (
        (("r", "3"), "step score has no mini-batch 3: it has 3, counted from 0"),
        (("x", "0"), "there is no run named x"),
        (("r", "0", "--step", "x"), "run r has no step x; it has score"),
        (
            ("--", "r", "-1"),
            "expected the number of a mini-batch, or a run and that number: fanout run-one brave_lake 3",
        ),
        (("r", "one"), "run-one r one: expected the number of a mini-batch"),
        (("r",), "run-one r: expected the number of a mini-batch"),
        (("r", "0", "1"), "run-one r 0 1: expected the number of a mini-batch"),
    ):
        said = fanout("run-one", *arguments)
        assert said.code == 2
        assert why in said.err
    assert list((folder / "tmp").iterdir()) == []


def test_without_a_run_it_is_the_newest(fanout: Any, ran: Path) -> None:
    """As for the other commands that look; a run may be named by its beginning."""
    assert fanout("run", "pipeline.yml", "--name", "later", *MORE).code == 0
    assert fanout("run-one", "0").out.startswith("later, step score, mini-batch 0: ")
    assert fanout("run-one", "lat", "0").out.startswith("later, step score, mini-batch 0: ")
    assert fanout("run-one", "r", "0").out.startswith("r, step score, mini-batch 0: ")


@pytest.mark.parametrize(
    ("mini_batch", "options", "typed", "expected"),
    [
        ("2", ["--debug"], "p items\nup\np context.minibatch_index\nq\n", ["0.txt", "(Pdb) 2"]),
        ("1", ["--debug"], "p mini_batch\ndown\np obj\nq\n", ["2.txt", "json"]),
        ("0", [], "p 'I am ' + 'here'\nc\n", ["(Pdb) 'I am here'", "run() returned a list"]),
    ],
)
def test_a_debugger(
    ran: Path, folder: Path, mini_batch: str, options: list[str], typed: str, expected: list[str]
) -> None:
    """pdb in the script's own frame where it failed, also within a library; breakpoint() at any time."""
    (ran / "score.py").write_text(
        SCRIPT.replace(
            '    print("run"', '    if not context.minibatch_index:\n        breakpoint()\n    print("run"'
        ).replace(
            "        Path(EntryScript()", "        __import__('json').loads(mini_batch)\n        Path(EntryScript()"
        )
    )
    command = [str(Path(sys.executable).with_name("fanout")), "run-one", "r", mini_batch, "--new-code", *options]
    environ = {**os.environ, "TMPDIR": str(folder / "tmp")}
    done = subprocess.run(command, input=typed, capture_output=True, text=True, cwd=folder, env=environ, timeout=60)
    for text in expected:
        assert text.replace("0.txt", "4.txt") in done.stdout, done.stdout + done.stderr
    assert done.returncode == (1 if options else 0)


def test_a_part_of_a_table(fanout: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are read as a slot reads them; the DataFrame that comes back is shown as a table."""
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    (folder / "table.csv").write_text("a,b\n" + "".join(f"{n},{n * n}\n" for n in range(250)))
    (folder / "MLTable").write_text(
        "paths: [{file: ./table.csv}]\ntransformations: [read_delimited: {delimiter: ','}]\n"
    )
    (folder / "src").mkdir()
    (folder / "src" / "tabled.py").write_text("def run(frame):\n    frame['c'] = frame.a + 1\n    return frame\n")
    (folder / "pipeline.yml").write_text(
        """\
type: pipeline
jobs:
  score:
    type: parallel
    mini_batch_size: 1kb
    inputs: {data: {type: mltable, path: .}}
    outputs: {rows: {type: uri_file, path: ./rows.csv}}
    input_data: ${{inputs.data}}
    task:
      type: run_function
      code: ./src
      entry_script: tabled.py
      append_row_to: ${{outputs.rows}}
      environment: azureml:any@latest
"""
    )
    ended = fanout("run", "pipeline.yml", "--name", "t")
    assert ended.code == 0, ended.out + ended.err
    said = fanout("run-one", "t", "1")
    assert said.code == 0, said.out + said.err
    assert "table.csv, bytes " in said.out.splitlines()[0]
    assert "run() returned a DataFrame of " in said.out
    header = said.out.splitlines()[3].split()
    assert header == ["a", "b", "c"]
