"""The part that both peers over SQS and S3 share: the client, the place of a mini-batch's rows, and joining them."""

import json
import os
from collections.abc import Iterator
from typing import Any

import boto3

from benchmarks.peers.harness import Batches

BUCKET = "benchmarks"


def client(service: str) -> Any:
    """A client of LocalStack, which the environment names."""
    return boto3.client(service, endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name=os.environ["AWS_REGION"])


def put_rows(s3: Any, index: int, rows: list[str]) -> None:
    """The rows of a mini-batch are in S3."""
    s3.put_object(Bucket=BUCKET, Key=_key(index), Body=json.dumps(rows).encode())


def all_rows(s3: Any, batches: Batches) -> Iterator[tuple[int, list[str]]]:
    """The rows of every mini-batch, read back."""
    for index in range(len(batches)):
        yield index, json.loads(s3.get_object(Bucket=BUCKET, Key=_key(index))["Body"].read())


def count_rows(s3: Any) -> int:
    """How many mini-batches have their rows in S3."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="rows/")
    return sum(page["KeyCount"] for page in pages)


def _key(index: int) -> str:
    return f"rows/{index:08d}.json"
