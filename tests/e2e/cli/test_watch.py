"""`fanout watch` with real processes and signals: what arrives in a folder or a bucket has one run, and no more."""

import json
import os
import random
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests import servers

SCRIPT = """\
import os, time
from pathlib import Path

def run(mini_batch):
    while Path(os.environ["MARKS"], "wait").exists():
        time.sleep(0.02)
    return [f"{Path(p).name}: {Path(p).read_text()}" for p in mini_batch]
"""


def pipeline(trigger: str, output: str = "") -> str:
    """A pipeline over what arrives, a row for each object."""
    return f"""\
type: pipeline
trigger: {{{trigger}, input: files}}
inputs:
  files: {{type: uri_folder}}
outputs:
  rows: {{type: uri_file{output}}}
jobs:
  score:
    type: parallel
    mini_batch_size: "100"
    max_concurrency_per_instance: 1
    inputs: {{data: "${{{{parent.inputs.files}}}}"}}
    outputs: {{rows: "${{{{parent.outputs.rows}}}}"}}
    input_data: ${{{{inputs.data}}}}
    task: {{type: run_function, code: ./src, entry_script: score.py, append_row_to: "${{{{outputs.rows}}}}"}}
"""


class Watching:
    """`fanout watch --json` in the background, and what it has said."""

    def __init__(self, project: Any, tools: Any, *arguments: str) -> None:
        self._tools = tools
        self._said = project.folder / f"watch-{uuid.uuid4().hex[:8]}.jsonl"
        with self._said.open("wb") as out:
            self.process = subprocess.Popen(
                [str(Path(sys.executable).with_name("fanout")), "watch", "pipeline.yml", "--json", *arguments],
                cwd=project.folder,
                env={**os.environ, "MARKS": str(project.marks), **project.environ},
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def said(self, event: str = "") -> list[dict[str, Any]]:
        """The lines about `event`, whole ones."""
        lines = [line for line in self._said.read_text().splitlines(keepends=True) if line.endswith("\n")]
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in found if event in ("", line["event"])]

    def until(self, holds: Callable[[], bool]) -> None:
        """Returns as soon as `holds`; fails when the watch ends before, or it never does."""

        def so() -> bool:
            if self.process.poll() is not None and not holds():
                pytest.fail(f"watch ended with {self.process.returncode}:\n{self._said.read_text()}")
            return holds()

        self._tools.wait_until(so)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit code after one signal."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def kill(self) -> None:
        """It and its nodes vanish."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def watch(empty_project: Any, tools: Any) -> Iterator[Callable[..., Watching]]:
    """`watch(…)` starts one more watch of the project; none is left at the end."""
    started: list[Watching] = []

    def begin(*arguments: str) -> Watching:
        started.append(Watching(empty_project, tools, *arguments))
        return started[-1]

    yield begin
    for watching in started:
        if watching.process.poll() is None:
            watching.kill()


def rows_of(ended: Sequence[dict[str, Any]], read: Callable[[str], str]) -> list[str]:
    """All rows of the runs that have ended, sorted; each run has completed."""
    assert [run["reason"] for run in ended if run["status"] != "Completed"] == []
    return sorted(line for run in ended for line in read(run["outputs"]["score.rows"]).splitlines())


def test_folder(empty_project: Any, watch: Callable[..., Watching]) -> None:
    """Files that were there, files that come, the own output among them: one run each, across a restart."""
    project = empty_project
    project.write("pipeline.yml", pipeline("folder: ./in, suffix: .txt", ", path: './in/out/${{trigger.key}}'"))
    project.write("src/score.py", SCRIPT)
    project.write("in/a.txt", "A")
    first = watch()
    first.until(lambda: len(first.said("run_ended")) == 1)
    project.write("in/deep/.b", "B").rename(project.folder / "in/deep/b.txt")
    project.write("in/.c.txt", "half")
    project.write("in/c.csv", "no")
    first.until(lambda: len(first.said("run_ended")) == 2)
    assert first.stop() == 0
    assert (project.folder / "in/out/deep/b.txt").read_text() == "b.txt: B\n"
    (project.folder / "in/.c.txt").rename(project.folder / "in/c.txt")
    project.write("in/a.txt", "another A")
    second = watch()
    second.until(lambda: len(second.said("run_ended")) == 2)
    assert second.stop(signal.SIGINT) == 0
    assert rows_of(second.said("run_ended"), _read_file) == [
        "a.txt: another A",
        "c.txt: half",
    ]
    assert len(project.runs()) == 4


def test_killed_and_drained(empty_project: Any, watch: Callable[..., Watching]) -> None:
    """SIGKILL in mid-run loses and repeats nothing; the first SIGTERM lets runs end, the second does not wait."""
    project = empty_project
    project.write("pipeline.yml", pipeline("folder: ./in, batch: {objects: 3, seconds: 0.5}"))
    project.write("src/score.py", SCRIPT)
    wait = project.write("marks/wait", "")
    for number in range(7):
        project.write(f"in/{number}.txt", str(number))
    first = watch("--max-runs", "1")
    first.until(lambda: len(first.said("run_begins")) == 1)
    first.kill()
    second = watch("--max-runs", "1")
    second.until(lambda: len(second.said("run_begins")) == 1)
    second.process.send_signal(signal.SIGTERM)
    second.until(lambda: len(second.said("watch_stopping")) == 1)
    assert second.process.poll() is None
    assert second.stop() == 130
    third = watch("--max-runs", "1")
    third.until(lambda: len(third.said("run_begins")) == 1)
    third.process.send_signal(signal.SIGTERM)
    third.until(lambda: len(third.said("watch_stopping")) == 1)
    wait.unlink()
    assert third.process.wait(60) == 0
    assert len(third.said("run_ended")) == 1
    last = watch()

    def rows() -> list[str]:
        return rows_of(third.said("run_ended") + last.said("run_ended"), _read_file)

    last.until(lambda: len(rows()) >= 7)
    assert last.stop() == 0
    assert rows() == [f"{number}.txt: {number}" for number in range(7)]


def test_pipeline_without_a_trigger(empty_project: Any) -> None:
    """Nothing is started, and what is missing is said with its place."""
    empty_project.write("pipeline.yml", "type: pipeline\njobs: {a: {type: command, command: 'true'}}\n")
    ended = empty_project.fanout("watch", "pipeline.yml")
    assert ended.code == 2
    assert "pipeline.yml:1:1: trigger: missing" in ended.said


@pytest.fixture
def uploads(
    empty_project: Any, localstack_endpoint: str, aws_environ: Callable[[str], dict[str, str]]
) -> Iterator[tuple[Any, Any, str]]:
    """The project, set up for LocalStack; a client of S3; an empty bucket."""
    environ, name = aws_environ(localstack_endpoint), f"uploads-{uuid.uuid4().hex[:12]}"
    empty_project.environ.update(environ)
    client = _client(localstack_endpoint)
    client.create_bucket(Bucket=name)
    yield empty_project, client, name
    client.close()


@pytest.mark.localstack
def test_bucket(uploads: tuple[Any, Any, str], watch: Callable[..., Watching]) -> None:
    """Uploads to LocalStack in any order and more than once, told twice and late; store and outputs in the same bucket,
    below what is watched: each object version is in one run, with the right rows, and no run starts another.
    """
    project, client, bucket = uploads
    project.write("fanout.toml", f'visibility = 3\nstore = "s3://{bucket}/in/.runs"\n')
    project.write(
        "pipeline.yml",
        pipeline(
            f"bucket: {bucket}, prefix: in/, batch: {{objects: 25, seconds: 1}}",
            f", path: 's3://{bucket}/in/results/${{{{trigger.run}}}}.txt'",
        ),
    )
    project.write("src/score.py", SCRIPT)
    assert project.fanout("trigger", "set", "pipeline.yml").code == 0
    chance, names = random.Random(5), [f"in/{number:02d} ä.txt" for number in range(40)]  # noqa: S311
    chance.shuffle(names)
    for name in [*names, *chance.sample(names, 10)]:
        client.put_object(Bucket=bucket, Key=name, Body=name.encode())
    first = watch()
    first.until(lambda: len(first.said("run_ended")) >= 1)
    first.kill()
    for name in chance.sample(names, 5):
        client.put_object(Bucket=bucket, Key=name, Body=name.encode())
    client.put_object(Bucket=bucket, Key="in/last.txt", Body=b"last")
    second = watch()

    def texts() -> list[str]:
        """The rows of all runs there are; a killed watch may not have told of each."""
        listed = client.list_objects_v2(Bucket=bucket, Prefix="in/results/").get("Contents", ())
        bodies = [client.get_object(Bucket=bucket, Key=found["Key"])["Body"].read().decode() for found in listed]
        return sorted(line for body in bodies for line in body.splitlines())

    second.until(lambda: len(texts()) >= 41)
    assert second.stop() == 0
    assert texts() == sorted(["last.txt: last", *(f"{name[3:]}: {name}" for name in names)])
    shown = json.loads(project.fanout("trigger", "show", "pipeline.yml", "--json").stdout)
    assert (shown["is_set"], shown["runs_not_over"], shown["unstarted"]) == (True, 0, [])
    assert project.fanout("trigger", "remove", "pipeline.yml").code == 0


@pytest.mark.minio
def test_webhook_of_minio(empty_project: Any, watch: Callable[..., Watching], tmp_path: Path) -> None:
    """MinIO tells what arrives while the watch runs, and what it could not tell before; a run each."""
    project, name, token = empty_project, f"uploads-{uuid.uuid4().hex[:12]}", "a-token-of-many-letters"
    port = servers.free_port()
    project.write(
        "pipeline.yml",
        pipeline(f"bucket: {name}, prefix: in/, suffix: .txt, queue: 'arn:minio:sqs::fanout:webhook'"),
    )
    project.write("src/score.py", SCRIPT)
    try:
        server = servers.minio(tmp_path / "minio", webhook=(f"http://127.0.0.1:{port}/", token))
        with server as endpoint:
            project.environ.update(servers.aws_environ(endpoint) | {"FANOUT_WEBHOOK_TOKEN": token})
            client = _client(endpoint)
            client.create_bucket(Bucket=name)
            assert project.fanout("trigger", "set", "pipeline.yml").code == 0
            client.put_object(Bucket=name, Key="in/early.txt", Body=b"two")
            watching = watch("--listen", f"127.0.0.1:{port}")
            watching.until(lambda: len(watching.said("watch_started")) == 1)
            client.put_object(Bucket=name, Key="in/ä b.txt", Body=b"one")
            client.put_object(Bucket=name, Key="in/no.csv", Body=b"no")
            watching.until(lambda: len(watching.said("run_ended")) == 2)
            assert watching.stop() == 0
            client.close()
    except servers.AbsentError as absent:
        if os.environ.get("CI") or os.environ.get("FANOUT_REQUIRE_SERVERS"):
            raise
        pytest.skip(str(absent))
    assert rows_of(watching.said("run_ended"), _read_file) == ["early.txt: two", "ä b.txt: one"]


def _client(endpoint: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=servers.ACCESS_KEY,
        aws_secret_access_key=servers.SECRET_KEY,
    )


def _read_file(uri: str) -> str:
    return Path(uri.removeprefix("file://")).read_text()
