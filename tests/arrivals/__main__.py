"""`python -m tests.arrivals [--objects N] [--batch N] [--kills N] [--seed N]`: exit code 0 when all is well.

Objects are uploaded to LocalStack while `fanout watch` runs and is killed: in any order, all of them told again, in
messages with several records in another order, some of them in two versions. Store and outputs lie below the prefix
that is watched. At the end each version of each object must be in one run, with its own content in that run's output,
and no run may have started another.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import boto3

from tests import servers

BUCKET = "uploads"
PIPELINE = """\
type: pipeline
trigger: {{name: arrivals, bucket: uploads, prefix: in/, input: files{batch}}}
inputs:
  files: {{type: uri_folder}}
outputs:
  rows: {{type: uri_file, path: "s3://uploads/in/results/${{{{trigger.run}}}}.txt"}}
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
SCRIPT = """\
from pathlib import Path

def run(mini_batch):
    return [Path(path).read_text() for path in mini_batch]
"""


@dataclass
class Scene:
    """A project folder, LocalStack with a bucket, and what was uploaded."""

    folder: Path
    environ: dict[str, str]
    chance: random.Random
    expected: Counter[str] = field(default_factory=Counter)  # content of each object version
    watching: "subprocess.Popen[bytes] | None" = None

    def client(self, service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.environ["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id=self.environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environ["AWS_SECRET_ACCESS_KEY"],
        )

    def fanout(self, *arguments: str) -> str:
        command = [str(Path(sys.executable).with_name("fanout")), *arguments]
        environ = {**os.environ, **self.environ}
        return subprocess.run(
            command, cwd=self.folder, env=environ, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def watch(self, at_once: int) -> None:
        """One more `fanout watch`, in the background."""
        command = [str(Path(sys.executable).with_name("fanout")), "watch", "pipeline.yml", "--json"]
        with (self.folder / "watch.jsonl").open("ab") as out:
            self.watching = subprocess.Popen(
                [*command, "--max-runs", str(at_once)],
                cwd=self.folder,
                env={**os.environ, **self.environ},
                stdout=out,
                start_new_session=True,
            )

    def end(self, number: int) -> int:
        """The watch, and with SIGKILL all it has started, ends by this signal."""
        assert self.watching is not None
        if number == signal.SIGKILL:
            os.killpg(self.watching.pid, number)
        else:
            self.watching.send_signal(number)
        return self.watching.wait(120)

    def said(self, event: str) -> list[dict[str, Any]]:
        lines = (self.folder / "watch.jsonl").read_text().splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [line for line in found if line["event"] == event]


def main() -> int:
    """Exit code 1 when an object is in no run, in two, or a run is there that should not be."""
    arguments = _parse()
    with _scene(arguments) as scene:
        begun = time.monotonic()
        s3, sqs = scene.client("s3"), scene.client("sqs")
        scene.watch(arguments.at_once)
        told = _upload(scene, s3, arguments.objects)
        _tell_again(scene, sqs, told)
        kills = _kill(scene, arguments)
        _until_done(scene, arguments.limit)
        code = scene.end(signal.SIGTERM)
        return _judge(scene, s3, told, kills, code, time.monotonic() - begun)


@contextmanager
def _scene(arguments: argparse.Namespace) -> Iterator[Scene]:
    with tempfile.TemporaryDirectory(prefix="fanout-arrivals-") as name:
        folder = Path(name) / "project"
        (folder / "src").mkdir(parents=True)
        (folder / "src" / "score.py").write_text(SCRIPT)
        batch = f", batch: {{objects: {arguments.batch}, seconds: 2}}" if arguments.batch > 1 else ""
        (folder / "pipeline.yml").write_text(PIPELINE.format(batch=batch))
        (folder / "fanout.toml").write_text('visibility = 5\nmax_receives = 20\nstore = "s3://uploads/in/runs"\n')
        with servers.localstack(Path(name) / "localstack") as endpoint:
            scene = Scene(folder, servers.aws_environ(endpoint), random.Random(arguments.seed))  # noqa: S311
            client = scene.client("s3")
            client.create_bucket(Bucket=BUCKET)
            client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
            scene.fanout("trigger", "set", "pipeline.yml")
            try:
                yield scene
            finally:
                if scene.watching is not None and scene.watching.poll() is None:
                    scene.end(signal.SIGKILL)


def _upload(scene: Scene, s3: Any, count: int) -> list[dict[str, Any]]:
    """All objects, a tenth of them in a second version right after; a record of each as S3 tells it."""
    numbers, told = list(range(count)), list[dict[str, Any]]()
    scene.chance.shuffle(numbers)
    for number in numbers:
        key = f"in/{number % 7}/object {number:04d} +ä.txt"
        for version in range(2 if number % 10 == 0 else 1):
            body = f"object {number} version {version}"
            scene.expected[body] += 1
            answer = s3.put_object(Bucket=BUCKET, Key=key, Body=body.encode())
            told.append(
                {
                    "eventSource": "aws:s3",
                    "eventName": "ObjectCreated:Put",
                    "s3": {
                        "bucket": {"name": BUCKET},
                        "object": {
                            "key": quote_plus(key, safe="/"),
                            "size": len(body),
                            "eTag": answer["ETag"].strip('"'),
                            "versionId": answer["VersionId"],
                        },
                    },
                }
            )
    return told


def _tell_again(scene: Scene, sqs: Any, told: list[dict[str, Any]]) -> None:
    """Every object once more, five to a message, in another order; and a tenth of them a third time."""
    url = sqs.get_queue_url(QueueName="fanout-arrivals")["QueueUrl"]
    again = [*told, *scene.chance.sample(told, len(told) // 10)]
    scene.chance.shuffle(again)
    for start in range(0, len(again), 5):
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"Records": again[start : start + 5]}))


def _kill(scene: Scene, arguments: argparse.Namespace) -> int:
    """The watch is killed so many times, each after some more runs have ended."""
    for kill in range(arguments.kills):
        wanted = (kill + 1) * max(1, arguments.objects // max(1, arguments.batch) // (arguments.kills + 1))
        _wait(lambda wanted=wanted: len(scene.said("run_ended")) >= wanted, arguments.limit)  # type: ignore[misc]
        scene.end(signal.SIGKILL)
        scene.watch(arguments.at_once)
    return int(arguments.kills)


def _until_done(scene: Scene, limit: float) -> None:
    """No message is left and no run is under way."""

    def done() -> bool:
        shown = json.loads(scene.fanout("trigger", "show", "pipeline.yml", "--json"))
        return not sum(shown["queue"].values()) and not shown["runs_not_over"]

    _wait(done, limit, every=2)


def _wait(holds: Any, limit: float, every: float = 0.2) -> None:
    deadline = time.monotonic() + limit
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"still not so after {limit:g} s")
        time.sleep(every)


def _judge(scene: Scene, s3: Any, told: list[dict[str, Any]], kills: int, code: int, seconds: float) -> int:
    runs = json.loads(scene.fanout("list", "--json", "--last", "1000000"))["runs"]
    names = {run["run"] for run in runs}
    found: Counter[str] = Counter()
    for name in names:
        answer = s3.get_object(Bucket=BUCKET, Key=f"in/results/{name}.txt")
        found.update(answer["Body"].read().decode().splitlines())
    shown = json.loads(scene.fanout("trigger", "show", "pipeline.yml", "--json"))
    states = Counter(line["state"] for line in scene.said("objects"))
    completed = sum(run["status"] == "Completed" for run in runs)
    print(
        f"object versions {len(told)}, told {len(told) + len(told) + len(told) // 10} times, watch killed {kills} times"
    )
    print(
        f"runs {len(runs)}, Completed {completed}, rows {sum(found.values())}, in {seconds:.0f} s; watch ended {code}"
    )
    print(f"said: {dict(states)}; unstarted {len(shown['unstarted'])}")
    wrong = (found - scene.expected) + (scene.expected - found)
    print(f"missing or twice: {dict(wrong) or 'nothing'}")
    return int(bool(wrong) or completed != len(runs) or code != 0 or bool(shown["unstarted"]))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.arrivals", description=__doc__)
    parser.add_argument("--objects", type=int, default=200)
    parser.add_argument("--batch", type=int, default=1, help="objects a run")
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--at-once", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=1800, help="seconds")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
