"""A queue that somebody takes away in mid-run: by hand, or another supervisor on the same run (faults 10 and 13)."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest


@pytest.fixture
def sqs(anywhere: Any) -> Iterator[Any]:
    """A client of the queues of a project on a server; None where they are embedded."""
    environ = anywhere.environ
    endpoint = environ.get("AWS_ENDPOINT_URL_SQS") or environ.get("AWS_ENDPOINT_URL")
    if endpoint is None:
        yield None
        return
    client = boto3.client(
        "sqs",
        endpoint_url=endpoint,
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )
    yield client
    client.close()


@pytest.fixture
def run(anywhere: Any) -> str:
    """A name that no other test gives to a run on the same server."""
    return "r" + "".join(c for c in anywhere.folder.name.lower() if c.isalnum())[-20:]


def _remove(project: Any, sqs: Any, run: str) -> int:
    """How many queues there were."""
    if sqs is None:
        folders = [path.parent for path in (project.folder / ".fanout").rglob("queue.sqlite3")]
        for folder in folders:
            shutil.rmtree(folder)
        return len(folders)
    urls = [url for url in sqs.list_queues().get("QueueUrls", []) if f"-{run}-" in url]
    for url in urls:
        sqs.delete_queue(QueueUrl=url)
    return len(urls)


def test_queue_removed_in_mid_run(anywhere: Any, sqs: Any, run: str, expected: Callable[[], bytes]) -> None:
    """Another one takes its place, with what has no outcome yet; the run says so, and ends with the same bytes."""
    anywhere.hold_after(9)
    process = anywhere.start("run", "pipeline.yml", "--name", run)
    anywhere.wait_for_attempts(10, process)
    assert _remove(anywhere, sqs, run) > 0
    anywhere.let_go()
    stdout, stderr = process.communicate(timeout=90)
    assert process.returncode == 0, stdout + stderr
    assert "its queue was removed by another process" in stdout + stderr
    assert anywhere.output() == expected()


def test_resume_beside_a_run_that_works(anywhere: Any, run: str, expected: Callable[[], bytes], tools: Any) -> None:
    """Somebody takes the run for dead: two supervisors, one verdict, one output, and both say that it completed."""
    anywhere.hold_after(4)
    process = anywhere.start("run", "pipeline.yml", "--name", run)
    anywhere.wait_for_attempts(5, process)
    second = anywhere.start("resume", run)
    tools.wait_until(lambda: _nodes_at_work(anywhere, tools) == 2 or second.poll() is not None)
    anywhere.let_go()
    said = [*process.communicate(timeout=90), *second.communicate(timeout=90)]
    assert (process.returncode, second.returncode) == (0, 0), said
    assert anywhere.output() == expected()


def _nodes_at_work(project: Any, tools: Any) -> int:
    """How many nodes have slots that have begun a mini-batch."""
    slots = tools.alive([pid for _, _, pid in project.attempts()])
    return len({tools.node_of(pid) for pid in slots} - {1})
