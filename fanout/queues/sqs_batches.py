"""What SQS allows in one request and in a name. Pure."""

import hashlib
import re
from collections.abc import Iterator, Sequence

from fanout.errors import QueueError

Entry = dict[str, str | int]  # one entry of a batch request, as the API spells it

BATCH_COUNT = 10
BATCH_BYTES = 256 * 1024  # AWS takes 1 MiB by now, older servers do not
NAME_LENGTH = 80
DEAD_SUFFIX = "-dead"
_LONGEST_STEM = NAME_LENGTH - len(DEAD_SUFFIX)


def send_batches(bodies: Sequence[str], delay: int) -> Iterator[list[Entry]]:
    """Entries to send, ten and 256 KiB at most together; QueueError for a body that fits in no request.

    An entry's Id is the place of its body among all.
    """
    batch: list[Entry] = []
    room = BATCH_BYTES
    for place, body in enumerate(bodies):
        size = len(body.encode())
        if size > BATCH_BYTES:
            raise QueueError(f"a message of {size:,} bytes is too large for SQS: at most {BATCH_BYTES:,}")
        if batch and (len(batch) == BATCH_COUNT or size > room):
            yield batch
            batch, room = [], BATCH_BYTES
        batch.append({"Id": str(place), "MessageBody": body, "DelaySeconds": delay})
        room -= size
    if batch:
        yield batch


def receipt_batches(receipts: Sequence[str], **same: int) -> Iterator[list[Entry]]:
    """Entries that answer for these receipts, ten a batch; an entry's Id is the receipt's place among all."""
    for start in range(0, len(receipts), BATCH_COUNT):
        part = receipts[start : start + BATCH_COUNT]
        yield [{"Id": str(start + i), "ReceiptHandle": receipt, **same} for i, receipt in enumerate(part)]


def sqs_name(name: str) -> str:
    """A queue name SQS takes, the same for the same `name`: shortened, and made distinct, where it must change."""
    safe = re.sub(r"[^A-Za-z0-9_-]", "-", name)
    if safe == name and 0 < len(name) <= _LONGEST_STEM:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    return f"{safe[: _LONGEST_STEM - len(digest) - 1]}-{digest}"
