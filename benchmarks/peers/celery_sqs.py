"""Celery with SQS as its broker: a worker with two processes, one task a mini-batch, rows to S3 by each task."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.peers.harness import WORKERS, Batches, Call, main
from benchmarks.peers.served import BUCKET, all_rows, client, count_rows


def dispatch(batches: Batches, call: Call) -> Iterator[tuple[int, list[str]]]:
    """All tasks first, then the worker, then the rows."""
    sqs, s3 = client("sqs"), client("s3")
    s3.create_bucket(Bucket=BUCKET)
    os.environ["CELERY_QUEUE_URL"] = sqs.create_queue(QueueName="celery")["QueueUrl"]
    from benchmarks.peers.celery_app import do

    milliseconds = call.keywords["milliseconds"]  # type: ignore[attr-defined]
    for index, batch in enumerate(batches):
        do.delay(index, batch, milliseconds)
    program = [sys.executable, "-m", "celery", "-A", "benchmarks.peers.celery_app"]
    worker = subprocess.Popen(
        [*program, "worker", "--concurrency", str(WORKERS), "--without-gossip", "--without-mingle", "-l", "ERROR"]
    )
    try:
        while count_rows(s3) < len(batches):
            time.sleep(0.5)
    finally:
        worker.terminate()
        worker.wait()
    yield from all_rows(s3, batches)


if __name__ == "__main__":
    main(dispatch)
