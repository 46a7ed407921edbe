"""The Celery application that driver and worker import; where LocalStack is comes from the environment."""

import os
from functools import cache
from typing import Any

from celery import Celery

from benchmarks.peers.served import client, put_rows
from benchmarks.script.work import work

app = Celery("benchmark", broker="sqs://test:test@")
app.conf.update(
    broker_transport_options={
        "region": "us-east-1",
        "wait_time_seconds": 1,
        "polling_interval": 0,
        "predefined_queues": {
            "celery": {
                "url": os.environ.get("CELERY_QUEUE_URL", ""),
                "access_key_id": "test",
                "secret_access_key": "test",
            }
        },
    },
    task_ignore_result=True,
    worker_prefetch_multiplier=10,
    task_acks_late=True,
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
)


@cache
def _s3() -> Any:
    return client("s3")


@app.task(name="do")
def do(index: int, files: list[str], milliseconds: float) -> None:
    """One mini-batch: its rows are in S3 when the message is deleted."""
    put_rows(_s3(), index, work(files, milliseconds))
