"""SQS when it misbehaves: a server on loopback that fails as it is told, and the requests it saw."""

import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from fanout.clock import SystemClock
from fanout.errors import MissingExtraError, QueueError, SettingsError
from fanout.queues.base import Delivery, Depth
from fanout.queues.sqs import SqsQueueService
from fanout.storage.access import Access

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"  # noqa: S105 - a made-up one, which must not show up
Answer = tuple[int, dict[str, Any]]


class Hasty(SystemClock):
    """Does not wait between tries."""

    async def sleep(self, seconds: float) -> None:
        """No time passes."""


@dataclass
class Server:
    """Answers each action by a function of the test, and by success where it has none."""

    endpoint: str = ""
    answers: dict[str, Callable[[dict[str, Any]], Answer]] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        action, body = request.headers["X-Amz-Target"].partition(".")[2], await request.json()
        self.seen.append((action, body))
        status, answer = self.answers.get(action, _succeed)(body)
        return web.json_response(answer, status=status, content_type="application/x-amz-json-1.0")

    def ids(self, action: str) -> list[list[str]]:
        """The entries of each batch request of this kind."""
        return [[entry["Id"] for entry in body["Entries"]] for name, body in self.seen if name == action]


def _succeed(body: dict[str, Any]) -> Answer:
    done = [{"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": ""} for entry in body.get("Entries", ())]
    return 200, {"Successful": done, "Failed": [], "QueueUrl": "http://127.0.0.1/q", "Attributes": {"QueueArn": "arn"}}


def _fail(body: dict[str, Any], ids: set[str], code: str, fault: bool) -> Answer:
    _, answer = _succeed(body)
    answer["Successful"] = [entry for entry in answer["Successful"] if entry["Id"] not in ids]
    failed = [entry["Id"] for entry in body["Entries"] if entry["Id"] in ids]
    answer["Failed"] = [{"Id": key, "Code": code, "Message": "said the server", "SenderFault": fault} for key in failed]
    return 200, answer


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """An SQS of this test's own."""
    server = Server()
    app = web.Application()
    app.router.add_post("/{path:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


def _access(endpoint: str) -> Access:
    return Access.from_environ(
        {
            "AWS_ENDPOINT_URL_SQS": endpoint,
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "FANOUT_PATIENCE": "0.5",
        }
    )


@pytest.fixture
async def service(server: Server) -> AsyncIterator[SqsQueueService]:
    """Queues on that server."""
    service = SqsQueueService(_access(server.endpoint), Hasty())
    yield service
    await service.close()


@pytest.fixture
async def queue(service: SqsQueueService) -> Any:
    """One queue on that server."""
    return (await service.create("q", visibility=30, max_receives=5)).main


def _deliveries(count: int) -> list[Delivery]:
    return [Delivery("body", f"receipt {number}", 1) for number in range(count)]


async def test_only_failed_entries_are_sent_again(server: Server, queue: Any) -> None:
    """A batch answer may list failures: those go out again, the others do not."""
    failures = iter([{"1", "3"}, {"3"}, set[str]()])
    server.answers["SendMessageBatch"] = lambda body: _fail(body, next(failures), "InternalError", False)
    await queue.send(["a", "b", "c", "d"])
    assert server.ids("SendMessageBatch") == [["0", "1", "2", "3"], ["1", "3"], ["3"]]


async def test_throttled_entries_are_sent_again(server: Server, queue: Any) -> None:
    """Being asked to slow down is nobody's fault, whatever the server calls it."""
    failures = iter([{"0"}, set[str]()])
    server.answers["DeleteMessageBatch"] = lambda body: _fail(body, next(failures), "RequestThrottled", True)
    await queue.delete(_deliveries(2))
    assert server.ids("DeleteMessageBatch") == [["0", "1"], ["0"]]


async def test_entry_that_never_succeeds(server: Server, queue: Any) -> None:
    """Tries are bounded; then the error names endpoint, action, code and reason, and no key."""
    server.answers["SendMessageBatch"] = lambda body: _fail(body, {"0"}, "InternalError", False)
    with pytest.raises(QueueError) as caught:
        await queue.send(["a"])
    assert len(server.ids("SendMessageBatch")) > 5
    for part in (server.endpoint, "send_message_batch", "InternalError", "said the server"):
        assert part in str(caught.value)
    assert "AKIA" not in str(caught.value)


async def test_refused_message_is_an_error(server: Server, queue: Any) -> None:
    """A message SQS will never take is not tried again, and not lost in silence."""
    server.answers["SendMessageBatch"] = lambda body: _fail(body, {"1"}, "InvalidMessageContents", True)
    with pytest.raises(QueueError, match=r"refused 1 of 2 messages .*InvalidMessageContents: said the server"):
        await queue.send(["a", "b"])
    assert len(server.ids("SendMessageBatch")) == 1


@pytest.mark.parametrize("fault", [True, False])
@pytest.mark.parametrize("code", ["ReceiptHandleIsInvalid", "AWS.SimpleQueueService.MessageNotInflight"])
async def test_stale_receipts(server: Server, queue: Any, code: str, fault: bool) -> None:
    """`extend` names the deliveries that are lost, in whatever batch they were; `delete` does not mind."""
    server.answers["ChangeMessageVisibilityBatch"] = lambda body: _fail(body, {"3", "12"}, code, fault)
    server.answers["DeleteMessageBatch"] = lambda body: _fail(body, {"3"}, code, fault)
    held = _deliveries(15)
    assert await queue.extend(held, 30) == [held[3], held[12]]
    await queue.delete(held)
    assert len(server.ids("DeleteMessageBatch")) == 2


async def test_server_error_is_tried_again(server: Server, queue: Any) -> None:
    """A 503 never reaches the caller when the next try succeeds."""
    answers = iter([503, 200])
    server.answers["GetQueueAttributes"] = lambda _: (
        (503, {"__type": "ServiceUnavailable"}) if next(answers) == 503 else (200, {"Attributes": {}})
    )
    assert await queue.depth() == Depth(0, 0, 0)


async def test_limits_of_sqs_are_kept(server: Server, queue: Any) -> None:
    """Delay and visibility become whole seconds within what SQS allows."""
    await queue.send(["a"], delay=0.2)
    await queue.send(["a"], delay=5000)
    await queue.extend(_deliveries(1), 100_000)
    entries = [body["Entries"][0] for _, body in server.seen if "Entries" in body]
    assert [entry.get("DelaySeconds", entry.get("VisibilityTimeout")) for entry in entries] == [1, 900, 43_200]


async def test_only_a_full_answer_is_worth_more_polls(server: Server, queue: Any) -> None:
    """The first poll waits; the others, side by side, take only what is there."""

    def answer(body: dict[str, Any]) -> Answer:
        message = {"Body": "b", "ReceiptHandle": "r", "Attributes": {"ApproximateReceiveCount": "2"}}
        return 200, {"Messages": [message] * min(available, body["MaxNumberOfMessages"])}

    server.answers["ReceiveMessage"] = answer
    available = 10
    found = await queue.receive(25, 7)
    assert (len(found), found[0].receive_count) == (25, 2)
    polls = [(body["MaxNumberOfMessages"], body["WaitTimeSeconds"]) for name, body in server.seen if name[:3] == "Rec"]
    assert Counter(polls) == Counter([(10, 7), (10, 0), (5, 0)])
    server.seen.clear()
    available = 4
    assert len(await queue.receive(25, 7)) == 4
    assert len(server.seen) == 1


async def test_error_in_a_further_poll_loses_no_delivery(server: Server, queue: Any) -> None:
    """What the other polls brought is handed over, or it would be hidden from everybody."""
    message = {"Body": "b", "ReceiptHandle": "r", "Attributes": {"ApproximateReceiveCount": "1"}}

    def answer(body: dict[str, Any]) -> Answer:
        if body["MaxNumberOfMessages"] == 5:
            return 400, {"__type": "OverLimit", "message": "too many in flight"}
        return 200, {"Messages": [message] * 10}

    server.answers["ReceiveMessage"] = answer
    assert len(await queue.receive(25, 0)) == 20


async def test_create_asks_for_the_settings(server: Server, service: SqsQueueService) -> None:
    """The dead-letter queue is made first, and the main queue points to it."""
    await service.create("q", visibility=30, max_receives=5)
    made = [body for name, body in server.seen if name == "CreateQueue"]
    assert [body["QueueName"] for body in made] == ["q-dead", "q"]
    assert made[1]["Attributes"] == {
        "VisibilityTimeout": "30",
        "MessageRetentionPeriod": "1209600",
        "RedrivePolicy": '{"deadLetterTargetArn": "arn", "maxReceiveCount": 5}',
    }


async def test_nobody_there() -> None:
    """A dead endpoint is named in the error; the credentials are not."""
    service = SqsQueueService(_access("http://127.0.0.1:9"), Hasty())
    with pytest.raises(
        QueueError, match=r"SQS get_queue_url at http://127\.0\.0\.1:9: .*; tried \d+ times in \d"
    ) as caught:
        await service.open("q")
    assert SECRET not in str(caught.value)
    await service.close()


async def test_no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: Server) -> None:
    """Without any credentials the user hears which variables to set."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    service = SqsQueueService(Access(endpoint_url_sqs=server.endpoint), Hasty())
    with pytest.raises(SettingsError, match="set AWS_ACCESS_KEY_ID"):
        await service.open("q")
    await service.close()


async def test_library_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is the command that installs it."""
    monkeypatch.setitem(sys.modules, "aiobotocore.config", None)
    service = SqsQueueService(_access("http://127.0.0.1:9"), Hasty())
    with pytest.raises(MissingExtraError, match=r"pip install 'fanout-jobs\[aws\]'"):
        await service.open("q")
