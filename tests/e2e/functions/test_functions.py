"""A run without `fanout run`: the four functions, driven through AWS's runtime interface client by what SQS delivers.

The pipeline has the shape of the digits example: a command makes files, a parallel step reads them, a command counts.
"""

import asyncio
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from obstore.store import ObjectStore

from fanout.api import context
from fanout.api.where import Where
from fanout.aws.deployment import write_deployment
from fanout.pipeline.load import load_pipeline
from fanout.records.seal import step_seal
from fanout.storage import keys
from fanout.storage.access import Access
from fanout.storage.keys import StepRound
from fanout.storage.objects import list_keys, read
from fanout.storage.open import open_store
from tests.functions import Deployed, deployed, until

pytestmark = [pytest.mark.localstack, pytest.mark.xdist_group("functions")]
FANOUT = Path(sys.executable).with_name("fanout")
FILES = 24
PIPELINE = """\
type: pipeline
jobs:
  prepare:
    type: command
    code: ./src
    command: python prepare.py ${{outputs.files}} ${{outputs.names}}
    outputs:
      files: {type: uri_folder}
      names: {type: uri_file}
  score:
    type: parallel
    inputs:
      files: ${{parent.jobs.prepare.outputs.files}}
      names: {type: uri_file, mode: download, path: "${{parent.jobs.prepare.outputs.names}}"}
    outputs:
      rows: {type: uri_file, path: "azureml://datastores/blobs/paths/${{name}}/rows.csv"}
    input_data: ${{inputs.files}}
    mini_batch_size: "1"
    max_concurrency_per_instance: 2
    retry_settings: {max_retries: 2, timeout: 60}
    mini_batch_error_threshold: 0
    task:
      type: run_function
      code: ./src
      entry_script: score.py
      program_arguments: --names ${{inputs.names}}
      append_row_to: ${{outputs.rows}}
  count:
    type: command
    code: ./src
    command: python count.py ${{inputs.rows}} ${{outputs.count}}
    inputs:
      rows: {type: uri_file, path: "${{parent.jobs.score.outputs.rows}}"}
    outputs:
      count: {type: uri_file}
"""
PREPARE = f"""
import os, sys
from pathlib import Path
for number in range({FILES}):
    Path(sys.argv[1], f"{{number:02d}}.txt").write_text(str(number * number))
Path(sys.argv[2]).write_text("squares")
with open(os.environ["MARKS"] + "/prepared", "a") as marks:
    marks.write("x")
"""
SCORE = """
import argparse, os, time
from pathlib import Path

def init():
    parser = argparse.ArgumentParser()
    parser.add_argument("--names")
    global NAME
    NAME = Path(parser.parse_known_args()[0].names).read_text()
    Path(os.environ["MARKS"], f"init-{os.getpid()}").touch()

def run(mini_batch):
    rows = []
    for path in map(Path, mini_batch):
        first = Path(os.environ["MARKS"], f"slow-{path.stem}")
        if path.stem in os.environ.get("SLOW", "").split(",") and not first.exists():
            first.touch()
            time.sleep(300)
        rows.append({"file": path.name, "what": NAME, "value": int(path.read_text())})
    return rows
"""
COUNT = """
import sys
from pathlib import Path
Path(sys.argv[2]).write_text(str(len(Path(sys.argv[1]).read_text().splitlines())))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The pipeline and its code, and a folder in which user code leaves marks."""
    scripts = {"prepare": PREPARE, "score": SCORE, "count": COUNT}
    (tmp_path / "src").mkdir()
    (tmp_path / "marks").mkdir()
    for name, text in scripts.items():
        (tmp_path / "src" / f"{name}.py").write_text(textwrap.dedent(text))
    (tmp_path / "pipeline.yml").write_text(PIPELINE)
    return tmp_path


@contextmanager
def _functions(
    folder: Path,
    name: str,
    environ: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    slow: str = "",
    copies: int = 1,
    workers: int = 1,
) -> Iterator[tuple[Deployed, ObjectStore]]:
    """The pipeline is deployed in a bucket of its own; reading the files `slow` takes minutes when tried first."""
    store = f"s3://{name}/runs"
    (folder / "fanout.toml").write_text(f'store = "{store}"\nvisibility = 4\n')
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)

    async def write() -> None:
        async with context.run_context_of(context.settings_of(folder, Where())) as run_context:
            await write_deployment(name, load_pipeline(folder / "pipeline.yml"), run_context, worker_seconds=100)

    asyncio.run(write())
    (folder / "logs").mkdir()
    around = {**environ, "MARKS": str(folder / "marks"), "SLOW": slow}
    with deployed(name, store, around, folder / "logs", copies=copies, workers=workers, max_receives=100) as functions:
        yield functions, open_store(store, Access.from_environ(environ))


def _verdict(store: ObjectStore, run: str) -> Mapping[str, str] | None:
    body = asyncio.run(read(store, keys.run_verdict(run)))
    return None if body is None else json.loads(body)["verdict"]


def _made(store: ObjectStore, run: str) -> tuple[bytes | None, bytes | None]:
    """The rows of the parallel step, and what the last command made of them."""
    rows = read(store, f"datastores/blobs/{run}/score/rows.csv")
    count = read(store, keys.outputs(StepRound(run, "count"), "count"))
    return asyncio.run(rows), asyncio.run(count)


def _embedded(folder: Path) -> tuple[bytes, bytes]:
    """What `fanout run` makes of the same pipeline in a folder."""
    environ = {**os.environ, "MARKS": str(folder / "marks"), "SLOW": ""}
    store = folder / "store"
    command = [FANOUT, "run", "pipeline.yml", "--store", store, "--name", "embedded", "--json"]
    subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True)
    rows = store / "datastores" / "blobs" / "embedded" / "score" / "rows.csv"
    return rows.read_bytes(), (store / "runs" / "embedded" / "count" / "outputs" / "count").read_bytes()


def _marks(folder: Path, name: str) -> int:
    return len(list((folder / "marks").glob(name)))


def test_the_functions_alone_make_what_a_run_makes(
    folder: Path,
    localstack_endpoint: str,
    aws_environ: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Byte for byte the outputs of `fanout run`; init() once in each of two slots, however many invocations."""
    expected = _embedded(folder)
    for mark in (folder / "marks").iterdir():
        mark.unlink()
    with _functions(folder, "alone", aws_environ(localstack_endpoint), monkeypatch) as (functions, store):
        [run] = functions.plan({"run": "first"})
        verdict = until(lambda: _verdict(store, run))
        assert verdict == {"status": "Completed", "reason": "all 3 steps completed"}
        assert _made(store, run) == expected
        assert [source.trouble for source in functions.sources.values()] == [[], [], []]
        assert _marks(folder, "init-*") == 2
        assert functions.plan({"run": "first"}) == [run]  # asked twice: it is over, and nothing is done
        assert _verdict(store, run) == verdict
        assert (folder / "marks" / "prepared").read_text() == "x"
        logs = asyncio.run(_keys(store, keys.logs(StepRound(run, "score"))))
        assert {"job_result.txt", "sys/job_report/processed_mini-batches.csv"} <= logs


async def _keys(store: ObjectStore, prefix: str) -> set[str]:
    return {found.key.removeprefix(prefix) async for found in list_keys(store, prefix)}


def test_killed_timed_out_and_delivered_twice(
    folder: Path,
    localstack_endpoint: str,
    aws_environ: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each batch goes to two invocations at once, some are killed, others come to the end of their time: the same
    bytes."""
    around = aws_environ(localstack_endpoint)
    with _functions(folder, "struck", around, monkeypatch, slow="03,17", copies=2) as (functions, store):
        [run] = functions.plan({"run": "second"})
        worker = functions.functions["worker"]
        until(lambda: _marks(folder, "slow-*"))
        worker.timeout = 20.0
        assert worker.kill_busy()
        until(lambda: _marks(folder, "slow-*") == 2)
        worker.timeout = 60.0
        verdict = until(lambda: _verdict(store, run))
        assert verdict == {"status": "Completed", "reason": "all 3 steps completed"}
        assert _made(store, run) == _embedded(folder)
        assert functions.sources["work"].failed


def test_a_straggler_is_tried_again_and_the_same_is_taken_over(
    folder: Path,
    localstack_endpoint: str,
    aws_environ: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With `speculate` a step does not wait for a worker that hangs; with `force_rerun: false` the next run does
    nothing."""
    text = PIPELINE.replace("    retry_settings:", "    speculate: true\n    retry_settings:")
    text = text.replace("type: pipeline\n", "type: pipeline\nsettings: {force_rerun: false}\n")
    (folder / "pipeline.yml").write_text(text)
    around = aws_environ(localstack_endpoint)
    with _functions(folder, "quick", around, monkeypatch, slow="07", workers=3) as (functions, store):
        [run] = functions.plan({"run": "one"})
        verdict = until(lambda: _verdict(store, run))
        assert verdict == {"status": "Completed", "reason": "all 3 steps completed"}
        at = StepRound(run, "score")
        assert asyncio.run(_keys(store, f"{at.root}/speculated/")) == {"000000007"}
        sealed = asyncio.run(step_seal(store, at))
        assert sealed is not None
        assert (sealed.counts.succeeded, sealed.counts.retried) == (FILES, 0), "the first try was not waited for"
        rows, count = _made(store, run)
        assert (rows or b"").count(b"\n") == FILES + 1
        [again] = functions.plan({"run": "two"})
        assert until(lambda: _verdict(store, again)) == verdict
        assert _made(store, again) == (None, None), "its outputs are those of the first run"
        assert (folder / "marks" / "prepared").read_text() == "x"
        assert count is not None
