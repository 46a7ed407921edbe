"""The endpoint of MinIO's webhook: who may send, what is taken, and when it says that it has it."""

import asyncio
import contextlib
import io
import json
from collections.abc import Sequence
from typing import Any

import aiohttp
import pytest

from fanout.errors import InfrastructureError, QueueError, SettingsError
from fanout.triggers.sources.bodies import LONGEST_BODY, read_events
from fanout.triggers.sources.webhook import Bounds, Listen, is_authorized, listen_on, token_of, webhook

TOKEN = "a-token-of-many-letters"  # noqa: S105
BODY = {
    "EventName": "s3:ObjectCreated:Put",
    "Key": "uploads/in/a.txt",
    "Records": [
        {
            "eventSource": "minio:s3",
            "eventName": "s3:ObjectCreated:Put",
            "s3": {"bucket": {"name": "uploads"}, "object": {"key": "in%2Fa.txt", "eTag": "e1"}},
        }
    ],
}


class Inbox:
    """A queue that keeps what it is sent, unless it has `trouble`."""

    depth_lag = 0.0

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.trouble = False

    async def send(self, bodies: Sequence[str]) -> None:
        if self.trouble:
            raise QueueError("no queue")
        self.bodies += bodies


async def test_what_is_taken_and_what_is_not(scene: Any, pipeline: str) -> None:
    """200 only for what is in the queue; who has no token, says nothing that is understood, or too much, is told so."""
    compiled = await scene.compile_trigger(pipeline.replace("folder: ./in", "bucket: uploads\n  prefix: in/"))
    inbox: Any = Inbox()
    auth = {"Authorization": f"Bearer {TOKEN}"}
    async with webhook(Listen("127.0.0.1", 0), TOKEN, compiled, inbox) as url, aiohttp.ClientSession() as session:

        async def post(body: bytes, headers: dict[str, str]) -> int:
            async with session.post(url, data=io.BytesIO(body), headers=headers) as answer:
                return answer.status

        body = json.dumps(BODY).encode()
        assert await post(body, {}) == 401
        assert await post(body, {"Authorization": "Bearer something else"}) == 401
        assert inbox.bodies == []
        assert await post(body, auth) == 200
        assert [event.key for event in read_events(inbox.bodies[0])] == ["in/a.txt"]
        assert await post(body, {"Authorization": TOKEN}) == 200
        assert await post(json.dumps(BODY).replace("in%2F", "out%2F").encode(), auth) == 200
        assert len(inbox.bodies) == 2
        assert await post(b"{}", auth) == 400
        assert await post(b"x" * (LONGEST_BODY + 1), auth) == 413
        inbox.trouble = True
        assert await post(body, auth) == 503
        async with session.get(url) as answer:
            assert answer.status == 200
        port = int(url.rstrip("/").rpartition(":")[2])
        with pytest.raises(InfrastructureError, match=f"cannot listen on 127.0.0.1:{port}"):
            async with webhook(Listen("127.0.0.1", port), TOKEN, compiled, inbox):
                pass


HEADERS = f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 100\r\n\r\n".encode()


@pytest.fixture
async def compiled(scene: Any, pipeline: str) -> Any:
    """A trigger of a bucket."""
    return await scene.compile_trigger(pipeline.replace("folder: ./in", "bucket: uploads\n  prefix: in/"))


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", b""),
        (b"POST / HTTP/1.1\r\nX-Slow: ", b""),
        (HEADERS, b"408"),
        (HEADERS + b"x" * 50, b"408"),
        (HEADERS.replace(TOKEN.encode(), b"wrong"), b"401"),
    ],
    ids=["nothing", "half of a header", "no body", "half of a body", "no token"],
)
async def test_who_is_slow_is_cut_off(compiled: Any, sent: bytes, answer: bytes) -> None:
    """A connection does not stay because nobody says anything on it."""
    inbox: Any = Inbox()
    async with webhook(Listen("127.0.0.1", 0), TOKEN, compiled, inbox, Bounds(request=0.2, connection=20)) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rstrip("/").rpartition(":")[2]))
        writer.write(sent)
        async with asyncio.timeout(15):
            try:
                got = await reader.read()
            except ConnectionResetError:
                got = b""
        assert answer in got
        writer.close()


async def test_a_connection_has_an_end(compiled: Any) -> None:
    """Also one that sends a byte now and then."""
    inbox: Any = Inbox()
    async with webhook(Listen("127.0.0.1", 0), TOKEN, compiled, inbox, Bounds(request=60, connection=0.3)) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rstrip("/").rpartition(":")[2]))
        writer.write(HEADERS)
        async with asyncio.timeout(15):
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
        writer.close()


async def test_idle_connections_do_not_keep_senders_out(compiled: Any) -> None:
    """There are only so many at once; the oldest that says nothing makes room."""
    inbox: Any = Inbox()
    bounds = Bounds(request=60, connection=60, connections=5)
    async with webhook(Listen("127.0.0.1", 0), TOKEN, compiled, inbox, bounds) as url:
        port = int(url.rstrip("/").rpartition(":")[2])
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(30)]
        async with aiohttp.ClientSession() as session:
            sent = session.post(url, json=BODY, headers={"Authorization": f"Bearer {TOKEN}"})
            async with sent as answer:
                assert answer.status == 200
        async with asyncio.timeout(15):
            for reader, _ in idle[:25]:
                with contextlib.suppress(ConnectionResetError):
                    assert await reader.read() == b""
        for _, writer in idle:
            writer.close()
    assert len(inbox.bodies) == 1


def test_the_token_is_not_for_scripts() -> None:
    """It is gone from the environment that they inherit."""
    environ = {"FANOUT_WEBHOOK_TOKEN": TOKEN, "OTHER": "x"}
    assert token_of(environ) == TOKEN
    assert environ == {"OTHER": "x"}


@pytest.mark.parametrize("header", [None, "", "Bearer ", "Bearer a-token", "Basic x", f"{TOKEN} ", "ä", "\udce4"])
def test_other_tokens(header: str | None) -> None:
    """Whatever is sent."""
    assert not is_authorized(header, TOKEN)


@pytest.mark.parametrize("token", ["", "short", "x" * 15, "with a blank in it", "ä" * 20, "x" * 20 + "\n"])
def test_tokens_that_are_no_good(token: str) -> None:
    """Refused, and not shown."""
    with pytest.raises(SettingsError, match="FANOUT_WEBHOOK_TOKEN: expected") as caught:
        token_of({"FANOUT_WEBHOOK_TOKEN": token})
    assert not token or token not in str(caught.value)


@pytest.mark.parametrize("text", ["", "9750", ":9750", "host:", "host:x", "host:65536", "host:²"])
def test_places_that_are_none(text: str) -> None:
    """Told with an example."""
    with pytest.raises(SettingsError, match="expected HOST:PORT"):
        listen_on(text)


def test_places_and_tokens() -> None:
    """Addresses of both kinds, and a token that is good."""
    assert listen_on("127.0.0.1:9750") == Listen("127.0.0.1", 9750)
    assert listen_on("[::1]:0") == Listen("::1", 0)
    assert token_of({"FANOUT_WEBHOOK_TOKEN": TOKEN}) == TOKEN
