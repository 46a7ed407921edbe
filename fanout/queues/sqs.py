"""SQS, or a server that speaks its language: the queue port in batches of ten."""

import asyncio
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from fanout.clock import Clock
from fanout.errors import QueueError, QueueGoneError
from fanout.queues.base import Delivery, Depth, QueuePair
from fanout.queues.sqs_batches import BATCH_COUNT, DEAD_SUFFIX, receipt_batches, send_batches, sqs_name
from fanout.queues.sqs_client import LONGEST_POLL, SqsRequests, understood
from fanout.storage.access import Access
from fanout.tasks import all_of

DEPTH_LAG = 60.0  # AWS: the counts are right about a minute after the last change
LONGEST_DELAY = 900
LONGEST_VISIBILITY = 43_200
RETENTION = 14 * 24 * 3600
_DEPTH = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")


class SqsQueue:
    """One queue; see `fanout.queues.base.Queue` for its promises.

    SQS counts delay, wait and visibility in whole seconds, so they are rounded up.
    """

    def __init__(self, requests: SqsRequests, url: str, depth_lag: float = DEPTH_LAG) -> None:
        self.depth_lag = depth_lag
        self._requests = requests
        self._url = url

    async def send(self, bodies: Sequence[str], delay: float = 0) -> None:
        """As the port says; a delay above 15 minutes, which SQS does not know, becomes 15 minutes."""
        parts = list(send_batches(bodies, _seconds(delay, LONGEST_DELAY)))
        if refused := await self._requests.batches("send_message_batch", self._url, parts):
            first = next(iter(refused.values()))
            raise QueueError(f"SQS refused {len(refused)} of {len(bodies)} messages for {self._url}: {first}")

    async def receive(self, limit: int, wait: float) -> list[Delivery]:
        clock = self._requests.clock
        deadline = clock.monotonic() + wait
        while True:
            left = max(0.0, deadline - clock.monotonic())
            deliveries = await self._poll(min(limit, BATCH_COUNT), _seconds(left, LONGEST_POLL))
            if deliveries or left <= LONGEST_POLL:
                break
        # Only a full first answer is worth more polls: an empty one would keep what was found waiting.
        if len(deliveries) == BATCH_COUNT:
            deliveries += await self._poll_more(limit - BATCH_COUNT)
        return deliveries

    async def extend(self, held: Sequence[Delivery], seconds: float) -> list[Delivery]:
        visibility = _seconds(seconds, LONGEST_VISIBILITY)
        parts = receipt_batches([delivery.receipt for delivery in held], VisibilityTimeout=visibility)
        refused = await self._requests.batches("change_message_visibility_batch", self._url, parts)
        return [held[place] for place in sorted(map(int, refused))]

    async def delete(self, done: Sequence[Delivery]) -> None:
        parts = receipt_batches([delivery.receipt for delivery in done])
        await self._requests.batches("delete_message_batch", self._url, parts)

    async def depth(self) -> Depth:
        answer = await self._requests.call("get_queue_attributes", QueueUrl=self._url, AttributeNames=list(_DEPTH))
        with understood("get_queue_attributes"):
            visible, held, delayed = (int(answer["Attributes"].get(name, 0)) for name in _DEPTH)
        return Depth(visible=visible, held=held, delayed=delayed)

    async def _poll(self, limit: int, wait: int) -> list[Delivery]:
        answer = await self._requests.call(
            "receive_message",
            wait=wait,
            QueueUrl=self._url,
            MaxNumberOfMessages=limit,
            WaitTimeSeconds=wait,
            AttributeNames=["ApproximateReceiveCount"],
        )
        with understood("receive_message"):
            return [_delivery(message) for message in answer.get("Messages", ())]

    async def _poll_more(self, limit: int) -> list[Delivery]:
        """What there is just now, up to `limit`, asked for in parallel; an error loses none of the other answers."""
        sizes = [min(BATCH_COUNT, limit - start) for start in range(0, limit, BATCH_COUNT)]
        answers = await asyncio.gather(*(self._poll(size, 0) for size in sizes), return_exceptions=True)
        return [delivery for answer in answers if isinstance(answer, list) for delivery in answer]


class SqsQueueService:
    """Queue pairs of one account and region, `<name>` and `<name>-dead`."""

    def __init__(self, access: Access, clock: Clock, depth_lag: float = DEPTH_LAG) -> None:
        self._requests = SqsRequests(access, clock)
        self._depth_lag = depth_lag

    async def create(self, name: str, *, visibility: float, max_receives: int) -> QueuePair:
        """The pair exists with these settings; QueueError when it exists with others."""
        stem = sqs_name(name)
        common = {
            "VisibilityTimeout": str(_seconds(visibility, LONGEST_VISIBILITY)),
            "MessageRetentionPeriod": str(RETENTION),
        }
        dead = await self._make(stem + DEAD_SUFFIX, common)
        answer = await self._requests.call("get_queue_attributes", QueueUrl=dead, AttributeNames=["QueueArn"])
        redrive = {"deadLetterTargetArn": answer["Attributes"]["QueueArn"], "maxReceiveCount": max_receives}
        main = await self._make(stem, {**common, "RedrivePolicy": json.dumps(redrive)})
        return self._pair(main, dead)

    async def open(self, name: str) -> QueuePair | None:
        stem = sqs_name(name)
        try:
            main, dead = await all_of([self._url(stem), self._url(stem + DEAD_SUFFIX)])
        except QueueGoneError:
            return None
        return self._pair(main, dead)

    async def find(self, name: str) -> SqsQueue | None:
        try:
            return SqsQueue(self._requests, await self._url(name), self._depth_lag)
        except QueueGoneError:
            return None

    async def url(self, name: str) -> str:
        """The URL of the queue with this very name; QueueGoneError when there is none."""
        return await self._url(name)

    async def arn(self, name: str) -> str:
        """The ARN of the queue with this very name; QueueGoneError when there is none."""
        answer = await self._requests.call(
            "get_queue_attributes", QueueUrl=await self._url(name), AttributeNames=["QueueArn"]
        )
        return str(answer["Attributes"]["QueueArn"])

    async def policy(self, name: str) -> str | None:
        """The access policy of the queue with this very name, as JSON; None when it has none."""
        answer = await self._requests.call(
            "get_queue_attributes", QueueUrl=await self._url(name), AttributeNames=["Policy"]
        )
        return answer.get("Attributes", {}).get("Policy") or None

    async def set_policy(self, name: str, policy: str) -> None:
        """The queue with this very name has the access policy; "" for none."""
        await self._requests.call("set_queue_attributes", QueueUrl=await self._url(name), Attributes={"Policy": policy})

    async def remove(self, name: str) -> None:
        stem = sqs_name(name)
        for queue in (stem, stem + DEAD_SUFFIX):  # the main queue first: it refers to the other
            try:
                await self._requests.call("delete_queue", QueueUrl=await self._url(queue))
            except QueueGoneError:
                continue

    async def names(self, prefix: str) -> list[str]:
        found: list[str] = []
        more: dict[str, Any] = {}
        while True:
            answer = await self._requests.call("list_queues", QueueNamePrefix=prefix, MaxResults=1000, **more)
            found += [str(url).rstrip("/").rpartition("/")[2] for url in answer.get("QueueUrls", ())]
            if not answer.get("NextToken"):
                return sorted({name.removesuffix(DEAD_SUFFIX) for name in found})
            more = {"NextToken": answer["NextToken"]}

    def at(self, url: str) -> SqsQueue:
        """The existing queue at this URL."""
        return SqsQueue(self._requests, url, self._depth_lag)

    async def close(self) -> None:
        await self._requests.close()

    async def _make(self, queue: str, attributes: Mapping[str, str]) -> str:
        answer = await self._requests.call("create_queue", QueueName=queue, Attributes=dict(attributes))
        return str(answer["QueueUrl"])

    async def _url(self, queue: str) -> str:
        return str((await self._requests.call("get_queue_url", QueueName=queue))["QueueUrl"])

    def _pair(self, main: str, dead: str) -> QueuePair:
        return QueuePair(self.at(main), self.at(dead))


def _seconds(wanted: float, longest: int) -> int:
    return min(max(0, math.ceil(wanted)), longest)


def _delivery(message: Mapping[str, Any]) -> Delivery:
    return Delivery(message["Body"], message["ReceiptHandle"], int(message["Attributes"]["ApproximateReceiveCount"]))
