"""What SQS hands to a function, and the answer that names what is to be delivered again (ReportBatchItemFailures)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fanout.errors import DamagedRecordError
from fanout.queues.base import Delivery


@dataclass(frozen=True, slots=True)
class Batch:
    """The deliveries of one invocation, and the message id of each, by receipt."""

    deliveries: tuple[Delivery, ...]
    ids: Mapping[str, str]

    def answer(self, failed: Iterable[Delivery]) -> dict[str, Any]:
        """Those of `failed` come again; all others are deleted."""
        return {"batchItemFailures": [{"itemIdentifier": self.ids[delivery.receipt]} for delivery in failed]}


def read_batch(event: Any) -> Batch:
    """The batch in an event of an SQS event source; DamagedRecordError when it is none."""
    try:
        records = [(_delivery(record), str(record["messageId"])) for record in event["Records"]]
    except (KeyError, TypeError, ValueError) as exc:
        raise DamagedRecordError(f"the event is not that of an SQS queue: {type(exc).__name__}: {exc}") from exc
    return Batch(tuple(delivery for delivery, _ in records), {d.receipt: name for d, name in records})


def _delivery(record: Mapping[str, Any]) -> Delivery:
    if record["eventSource"] != "aws:sqs":
        raise ValueError(f"a record of {record['eventSource']!r:.80}")
    return Delivery(
        str(record["body"]), str(record["receiptHandle"]), int(record["attributes"]["ApproximateReceiveCount"])
    )
