"""A worker as one writes it by hand: two processes that receive ten messages, do them, put the rows, delete the ten."""

import json
from collections.abc import Iterator
from multiprocessing import Process

from benchmarks.peers.harness import WORKERS, Batches, Call, main
from benchmarks.peers.served import BUCKET, all_rows, client, put_rows

BATCH = 10
IDLE_RECEIVES = 2
"""Empty answers after which a worker takes it that everything is done."""


def dispatch(batches: Batches, call: Call) -> Iterator[tuple[int, list[str]]]:
    """All messages first, then the workers, then the rows."""
    sqs, s3 = client("sqs"), client("s3")
    s3.create_bucket(Bucket=BUCKET)
    url = sqs.create_queue(QueueName="work")["QueueUrl"]
    for start in range(0, len(batches), BATCH):
        entries = [
            {"Id": str(index), "MessageBody": json.dumps({"index": index, "files": batches[index]})}
            for index in range(start, min(start + BATCH, len(batches)))
        ]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)
    workers = [Process(target=_work, args=(url, call)) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    yield from all_rows(s3, batches)


def _work(url: str, call: Call) -> None:
    sqs, s3 = client("sqs"), client("s3")
    idle = 0
    while idle < IDLE_RECEIVES:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=BATCH, WaitTimeSeconds=1).get("Messages", [])
        idle = 0 if messages else idle + 1
        for message in messages:
            body = json.loads(message["Body"])
            put_rows(s3, body["index"], call(body["files"]))
        if messages:
            entries = [{"Id": str(at), "ReceiptHandle": m["ReceiptHandle"]} for at, m in enumerate(messages)]
            sqs.delete_message_batch(QueueUrl=url, Entries=entries)


if __name__ == "__main__":
    main(dispatch)
