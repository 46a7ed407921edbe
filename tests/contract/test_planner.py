"""The planner over a real S3 and SQS: what arrives starts a run, once, with its mini-batches in the work queue."""

import asyncio
import json
import logging
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from fanout.api import context
from fanout.api.where import Where
from fanout.aws.deployment import write_deployment
from fanout.pipeline.load import load_pipeline
from fanout.records import messages
from handlers import container, planner

pytestmark = pytest.mark.moto
PIPELINE = """\
type: pipeline
trigger: {input: images, bucket: BUCKET, prefix: in/}
inputs:
  images: {type: uri_folder, path: s3://BUCKET/in}
jobs:
  score:
    type: parallel
    inputs: {images: "${{parent.inputs.images}}"}
    outputs: {rows: {type: uri_file}}
    input_data: ${{inputs.images}}
    mini_batch_size: "1"
    task: {type: run_function, code: ./src, entry_script: score.py, append_row_to: "${{outputs.rows}}"}
"""


class Invocation:
    """An invocation with a minute left."""

    aws_request_id = "2c9e"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


class Cloud:
    """A bucket, the queues of a deployment, and the planner in this process."""

    def __init__(self, environ: dict[str, str]) -> None:
        arguments = {
            "endpoint_url": environ["AWS_ENDPOINT_URL"],
            "region_name": environ["AWS_REGION"],
            "aws_access_key_id": environ["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": environ["AWS_SECRET_ACCESS_KEY"],
        }
        self.bucket = f"planner-{uuid.uuid4().hex[:12]}"
        self.s3: Any = boto3.client("s3", **arguments)  # type: ignore[call-overload]
        self.sqs: Any = boto3.client("sqs", **arguments)  # type: ignore[call-overload]
        self.s3.create_bucket(Bucket=self.bucket)
        kinds = ("WORK", "DEAD", "TICK", "REDUCE")
        self.urls = {kind: self.sqs.create_queue(QueueName=f"{self.bucket}-{kind}")["QueueUrl"] for kind in kinds}

    def arrival(self, key: str) -> dict[str, Any]:
        """An object is there, and S3 tells of it."""
        etag = self.s3.put_object(Bucket=self.bucket, Key=key, Body=b"x")["ETag"].strip('"')
        told = {"bucket": {"name": self.bucket}, "object": {"key": key, "eTag": etag, "size": 1, "sequencer": "01"}}
        return {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": told}

    def received(self, kind: str, wait: int = 0) -> list[str]:
        """The bodies that are in a queue, or come within so many seconds."""
        answer = self.sqs.receive_message(QueueUrl=self.urls[kind], MaxNumberOfMessages=10, WaitTimeSeconds=wait)
        return [message["Body"] for message in answer.get("Messages", ())]


@pytest.fixture
def cloud(
    tmp_path: Path,
    moto_endpoint: str,
    aws_environ: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Cloud]:
    """A deployment of a pipeline that waits for objects."""
    made = Cloud(aws_environ(moto_endpoint))
    store = f"s3://{made.bucket}/runs"
    variables = {f"FANOUT_{kind}_QUEUE_URL": url for kind, url in made.urls.items()}
    for name, value in {**aws_environ(moto_endpoint), **variables, "FANOUT_STORE": store}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FANOUT_DEPLOYMENT", "photos")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "score.py").write_text("def run(mini_batch): return mini_batch\n")
    (tmp_path / "pipeline.yml").write_text(PIPELINE.replace("BUCKET", made.bucket))

    async def deploy() -> None:
        async with context.run_context_of(context.settings_of(tmp_path, Where(store=store))) as run_context:
            await write_deployment("photos", load_pipeline(tmp_path / "pipeline.yml", for_trigger=True), run_context)

    asyncio.run(deploy())
    level = logging.getLogger("fanout").level
    yield made
    logging.getLogger("fanout").setLevel(level)
    here = container.container()
    here.run(here.run_context.queues.close())
    here.loop.close()
    asyncio.set_event_loop(None)
    container.container.cache_clear()
    planner._triggers.cache_clear()


def test_what_arrives_starts_one_run(cloud: Cloud) -> None:
    """However often it is told of, by whichever way; what cannot be read is left to be delivered again."""
    told = {"Records": [cloud.arrival("in/one.png")]}
    [run] = planner.handler(told, Invocation())["runs"]
    assert [messages.decode(body).at.run for body in cloud.received("WORK")] == [run]
    assert json.loads(cloud.received("TICK", 20)[0])["run"] == run
    delivered = {
        "Records": [
            {
                "eventSource": "aws:sqs",
                "messageId": name,
                "receiptHandle": name,
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1"},
            }
            for name, body in (("again", json.dumps(told)), ("strange", "{"), ("other", '{"Event": "s3:TestEvent"}'))
        ]
    }
    assert planner.handler(delivered, Invocation()) == {"batchItemFailures": [{"itemIdentifier": "strange"}]}
    assert cloud.received("WORK") == []
    [other] = planner.handler({"Records": [cloud.arrival("in/two.png")]}, Invocation())["runs"]
    assert other != run


def test_a_run_by_hand_names_what_the_trigger_waits_for(cloud: Cloud) -> None:
    """Asked twice it is begun once; without a name it is called after the invocation, which Lambda may repeat."""
    cloud.arrival("old/one.png")
    event = {"inputs": {"images": f"s3://{cloud.bucket}/old/"}}
    assert planner.handler(event, Invocation()) == {"runs": ["photos-2c9e"]}
    assert len(cloud.received("WORK")) == 1
    assert planner.handler(event, Invocation()) == {"runs": ["photos-2c9e"]}
    assert cloud.received("WORK") == []
