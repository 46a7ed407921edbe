"""What a plan would cost on AWS, in requests and dollars, before anything is sent. Pure.

Prices are AWS's list prices for us-east-1; storage, transfer and machines are not in them.
"""

from dataclasses import dataclass

from fanout.planning.manifests import SHARD_SIZE

SQS_DOLLARS = 0.40 / 1e6  # a request of a standard queue: aws.amazon.com/sqs/pricing
S3_PUT_DOLLARS = 5.00 / 1e6  # a PUT, COPY, POST or LIST of S3 Standard: aws.amazon.com/s3/pricing
S3_GET_DOLLARS = 0.40 / 1e6  # a GET or HEAD of S3 Standard: the same page
SQS_BATCH = 10  # messages in one send, receive or delete
SQS_BILLED_BYTES = 64 * 1024  # a request counts once for each 64 KiB of what it carries
RESULTS_A_COMMIT = 10  # mini-batches whose results share one object (design, section 4)
ENVELOPE_BYTES = 200  # what a message carries besides the mini-batch's own line, about


@dataclass(frozen=True, slots=True)
class PlanSize:
    """The numbers of a plan that cost depends on."""

    mini_batches: int
    line_bytes: int = 200  # of a mini-batch's JSON line, on average
    input_objects: int = 0  # files or pieces that nodes fetch from a remote store


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests by kind, as AWS bills them."""

    send: int
    receive: int
    delete: int
    put: int
    get: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.send + self.receive + self.delete + self.put + self.get


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan comes to when nothing has to be tried again."""

    messages: int
    requests: Requests
    dollars: float


def estimate(plan: PlanSize) -> Estimate:
    """The requests and dollars of a plan: 0.1 requests of each kind a mini-batch, more when messages are large."""
    batches = _groups(plan.mini_batches, SQS_BATCH)
    # Send and receive carry the messages and are billed by 64 KiB; a delete carries receipts only.
    billed = batches * max(1, _groups(SQS_BATCH * (plan.line_bytes + ENVELOPE_BYTES), SQS_BILLED_BYTES))
    commits, shards = _groups(plan.mini_batches, RESULTS_A_COMMIT), _groups(plan.mini_batches, SHARD_SIZE)
    requests = Requests(
        send=billed, receive=billed, delete=batches, put=commits + shards, get=commits + plan.input_objects
    )
    return Estimate(plan.mini_batches, requests, _dollars(requests))


def _dollars(requests: Requests) -> float:
    sqs = requests.send + requests.receive + requests.delete
    return sqs * SQS_DOLLARS + requests.put * S3_PUT_DOLLARS + requests.get * S3_GET_DOLLARS


def _groups(count: int, size: int) -> int:
    return -(-count // size)
