"""`fanout trigger set`, `show` and `remove` against buckets of several makers, and what those then tell."""

import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from fanout.clock import SystemClock
from fanout.config.settings import Settings
from fanout.engines.local import LocalEngine
from fanout.errors import StoreError
from fanout.pipeline.load import load_pipeline
from fanout.pipeline.model import DataInput, Trigger
from fanout.queues.base import Queue
from fanout.queues.sqlite import SqliteQueueService
from fanout.records.run import load_record
from fanout.scheduler.context import RunContext
from fanout.storage.access import Access
from fanout.storage.open import open_store
from fanout.triggers.compiled import compile_trigger
from fanout.triggers.event import ObjectEvent
from fanout.triggers.sources.bodies import read_events
from fanout.triggers.sources.bucket_setup import look, set_up, take_down
from fanout.triggers.sources.inbox import open_inbox
from fanout.triggers.start import StartState, start_runs

SERVERS = [
    pytest.param("moto", marks=pytest.mark.moto),
    pytest.param("localstack", marks=pytest.mark.localstack),
]


@dataclass
class Bucket:
    """A bucket, a trigger on it, and what reaches them."""

    s3: Any
    sqs: Any
    name: str
    trigger: Trigger
    context: RunContext

    def notifications(self) -> dict[str, Any]:
        answer = self.s3.get_bucket_notification_configuration(Bucket=self.name)
        answer.pop("ResponseMetadata")
        return answer

    def policy(self) -> dict[str, Any]:
        url = self.sqs.get_queue_url(QueueName=f"fanout-{self.trigger.name}")["QueueUrl"]
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
        return json.loads(answer["Attributes"]["Policy"])

    def upload_in_parts(self, key: str) -> None:
        upload = self.s3.create_multipart_upload(Bucket=self.name, Key=key)
        where = {"Bucket": self.name, "Key": key, "UploadId": upload["UploadId"]}
        part = self.s3.upload_part(**where, PartNumber=1, Body=b"x" * 1000)
        self.s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]})

    async def told(self, count: int) -> list[ObjectEvent]:
        """What the trigger's queue is told, until it was told of `count` objects and of nothing more."""
        async with open_inbox(self.trigger, self.context) as inbox:
            events = await _receive(inbox.queue, lambda events: len(events) >= count)
            return events + await _receive(inbox.queue, lambda events: bool(events), wait=1)


async def _receive(queue: Queue, enough: Callable[[list[ObjectEvent]], bool], wait: float = 30) -> list[ObjectEvent]:
    events: list[ObjectEvent] = []
    while not enough(events) and (deliveries := await queue.receive(10, wait)):
        for delivery in deliveries:
            events += read_events(delivery.body)
        await queue.delete(deliveries)
    return events


@pytest.fixture(scope="module")
def clients(aws_environ: Callable[[str], dict[str, str]]) -> Iterator[Callable[[str], tuple[Any, Any]]]:
    """Clients of S3 and SQS at an endpoint, made once."""
    made: dict[str, tuple[Any, Any]] = {}

    def at(endpoint: str) -> tuple[Any, Any]:
        if endpoint not in made:
            environ = aws_environ(endpoint)
            keys = {
                "endpoint_url": endpoint,
                "region_name": "us-east-1",
                "aws_access_key_id": environ["AWS_ACCESS_KEY_ID"],
                "aws_secret_access_key": environ["AWS_SECRET_ACCESS_KEY"],
            }
            made[endpoint] = boto3.client("s3", **keys), boto3.client("sqs", **keys)  # type: ignore[call-overload]
        return made[endpoint]

    yield at
    for s3, sqs in made.values():
        s3.close()
        sqs.close()


@pytest.fixture(params=SERVERS)
async def bucket(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    aws_environ: Callable[[str], dict[str, str]],
    clients: Callable[[str], tuple[Any, Any]],
) -> AsyncIterator[Bucket]:
    """An empty bucket, and a trigger for in/*.csv in it that nobody has set."""
    environ = aws_environ(request.getfixturevalue(f"{request.param}_endpoint"))
    access, clock, name = Access.from_environ(environ), SystemClock(), f"uploads-{uuid.uuid4().hex[:12]}"
    s3, sqs = clients(environ["AWS_ENDPOINT_URL"])
    s3.create_bucket(Bucket=name)
    queues = SqliteQueueService(tmp_path / "queues", clock)
    store = (tmp_path / "store").as_uri()
    context = RunContext(
        Settings(store), access, open_store(store, access), queues, LocalEngine(store, None, {}), clock
    )
    yield Bucket(s3, sqs, name, Trigger(name, f"s3://{name}", "files", "in/", ".csv"), context)
    await queues.close()


PIPELINE = """\
type: pipeline
trigger: {{name: {name}, bucket: {name}, prefix: in/, suffix: .csv, input: file}}
inputs: {{file: {{type: uri_file}}}}
jobs:
  count:
    type: command
    command: wc "${{{{inputs.file}}}}"
    inputs: {{file: "${{{{parent.inputs.file}}}}"}}
"""


async def test_the_bucket_tells_of_what_arrives(bucket: Bucket, tmp_path: Path) -> None:
    """Every key as it was put, every way to put it, nothing else; and each object that is still there has one run."""
    assert (await set_up(bucket.trigger, bucket.context)).changes
    names = ["in/a.csv", "in/ä b+c&d%2F.csv", "in/deep/er/x.csv"]
    for name in [*names, "in/not.txt", "other/a.csv"]:
        bucket.s3.put_object(Bucket=bucket.name, Key=name, Body=b"x,y\n")
    bucket.s3.copy_object(Bucket=bucket.name, Key="in/copy.csv", CopySource={"Bucket": bucket.name, "Key": names[0]})
    bucket.s3.delete_object(Bucket=bucket.name, Key="in/deep/er/x.csv")
    bucket.upload_in_parts("in/big.csv")
    names += ["in/copy.csv", "in/big.csv"]
    events = await bucket.told(len(names))
    assert sorted({event.key for event in events}) == sorted(names)
    assert {event.root for event in events} == {f"s3://{bucket.name}"}
    there = {name: bucket.s3.head_object(Bucket=bucket.name, Key=name) for name in names if "deep" not in name}
    etags = {key: answer["ETag"].strip('"') for key, answer in there.items()}
    assert {(event.key, event.etag) for event in events} >= set(etags.items())
    path = tmp_path / "pipeline.yml"
    path.write_text(PIPELINE.format(name=bucket.name))
    for_trigger = await compile_trigger(load_pipeline(path, for_trigger=True), bucket.context)
    starts = [*await start_runs([*reversed(events), *events], for_trigger, bucket.context)]
    starts += await start_runs(events, for_trigger, bucket.context)
    states = Counter(start.state for start in starts)
    assert states[StartState.STARTED] == len(there)  # moto tells of an upload in parts twice
    assert states.keys() == {StartState.STARTED, StartState.GONE, StartState.KNOWN}
    assert states[StartState.GONE] == 2  # it is looked for once in each of the two calls
    given = [
        (await load_record(bucket.context.store, start.run)).pipeline.steps[0].inputs["file"]
        for start in starts
        if start.state is StartState.STARTED
    ]
    assert {one.uri for one in given if isinstance(one, DataInput)} == {f"s3://{bucket.name}/{key}" for key in there}


async def test_it_is_set_changed_and_removed(bucket: Bucket) -> None:
    """The second time there is nothing to do; a changed trigger takes the place of the old; nothing is left of it."""
    assert (await set_up(bucket.trigger, bucket.context)).changes
    before, policy = bucket.notifications(), bucket.policy()
    assert (await set_up(bucket.trigger, bucket.context)).changes == ()
    assert (bucket.notifications(), bucket.policy()) == (before, policy)
    changed = replace(bucket.trigger, suffix=".parquet")
    assert not (await look(changed, bucket.context)).is_set
    [line] = (await set_up(changed, bucket.context)).changes
    assert "in/*.parquet" in line
    assert len(bucket.notifications()["QueueConfigurations"]) == 1
    assert (await look(changed, bucket.context)).is_set
    async with open_inbox(bucket.trigger, bucket.context) as inbox:
        while deliveries := await inbox.queue.receive(10, 0):  # the test events of S3
            await inbox.queue.delete(deliveries)
    assert len((await take_down(bucket.trigger, bucket.context)).changes) == 2
    assert bucket.notifications().get("QueueConfigurations", []) == []
    assert bucket.sqs.list_queues(QueueNamePrefix=f"fanout-{bucket.trigger.name}").get("QueueUrls", []) == []
    assert (await take_down(bucket.trigger, bucket.context)).changes == ()
    standing = await look(bucket.trigger, bucket.context)
    assert (standing.wanted, standing.there, standing.is_set) == (None, None, False)


async def test_those_of_others_stay(bucket: Bucket) -> None:
    """Somebody else's notification and leave on the queue are there before, with and after ours."""
    await set_up(replace(bucket.trigger, suffix=".csv"), bucket.context)
    other = bucket.sqs.create_queue(QueueName=f"other-{bucket.name}")["QueueUrl"]
    arn = bucket.sqs.get_queue_attributes(QueueUrl=other, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage",
                       "Resource": arn}],
    }  # fmt: skip
    bucket.sqs.set_queue_attributes(QueueUrl=other, Attributes={"Policy": json.dumps(allow)})
    theirs = {"Id": "theirs", "QueueArn": arn, "Events": ["s3:ObjectRemoved:*"]}
    both = [*bucket.notifications()["QueueConfigurations"], theirs]
    bucket.s3.put_bucket_notification_configuration(
        Bucket=bucket.name, NotificationConfiguration={"QueueConfigurations": both}
    )
    url = bucket.sqs.get_queue_url(QueueName=f"fanout-{bucket.trigger.name}")["QueueUrl"]
    ours = bucket.policy()
    foreign = {**allow["Statement"][0], "Sid": "theirs"}  # type: ignore[dict-item]
    bucket.sqs.set_queue_attributes(
        QueueUrl=url, Attributes={"Policy": json.dumps({**ours, "Statement": [foreign, *ours["Statement"]]})}
    )
    await set_up(replace(bucket.trigger, suffix=".json"), bucket.context)
    assert {entry["Id"] for entry in bucket.notifications()["QueueConfigurations"]} == {
        "theirs", f"fanout-{bucket.trigger.name}",
    }  # fmt: skip
    assert {one["Sid"] for one in bucket.policy()["Statement"]} == {"theirs", f"fanout-{bucket.trigger.name}"}
    bucket.s3.put_object(Bucket=bucket.name, Key="in/kept.json", Body=b"{}")
    async with open_inbox(bucket.trigger, bucket.context) as inbox:
        assert await inbox.queue.receive(10, 30)  # held, and not deleted: so the queue is not empty
    await take_down(bucket.trigger, bucket.context)
    [left] = bucket.notifications()["QueueConfigurations"]
    assert (left["Id"], left["QueueArn"], left["Events"]) == ("theirs", arn, ["s3:ObjectRemoved:*"])
    assert [one["Sid"] for one in bucket.policy()["Statement"]] == ["theirs"]


async def test_a_bucket_that_is_not_there(bucket: Bucket) -> None:
    """An error that names it."""
    with pytest.raises(StoreError, match="s3://not-there-at-all: NoSuchBucket"):
        await set_up(replace(bucket.trigger, root="s3://not-there-at-all"), bucket.context)
