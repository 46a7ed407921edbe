"""A server that fails as it is told: an HTTP proxy in front of an S3 and SQS server, with faults by rule or by chance.

It runs in a thread of its own, so that tests may block, and processes that they start can be led to it. What it was
asked, and what it did about it, is in `seen`.
"""

import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from io import BytesIO
from typing import Any

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web
from yarl import URL

HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length", "date")
BATCHES = ("SendMessageBatch", "ChangeMessageVisibilityBatch", "DeleteMessageBatch")


@dataclass(frozen=True)
class Asked:
    """A request: what it wants in the API's own word ("GetObject", "SendMessageBatch"), and where."""

    action: str
    path: str
    body: bytes
    conditional: bool
    access_key: str

    @property
    def is_sqs(self) -> bool:
        return not self.action.endswith(("Object", "Objects", "ObjectsV2", "Upload", "Part", "Bucket"))


@dataclass(frozen=True)
class Answered:
    """What the server behind said."""

    status: int
    headers: dict[str, str]
    body: bytes


Forward = Callable[[Asked], Awaitable[Answered]]
Fault = Callable[["web.Request", Asked, Forward], Awaitable[web.StreamResponse]]


@dataclass
class Rule:
    """`fault` for requests whose action and path match, after `skip` of them, `count` times; None: always."""

    fault: Fault
    action: str = "*"
    path: str = "*"
    skip: int = 0
    count: int | None = 1
    conditional: bool | None = None

    def takes(self, asked: Asked) -> bool:
        """Whether this request fails by this rule; counts those that match."""
        if self.count == 0 or not fnmatchcase(asked.action, self.action) or not fnmatchcase(asked.path, self.path):
            return False
        if self.conditional is not None and asked.conditional != self.conditional:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.count is not None:
            self.count -= 1
        return True


@dataclass
class Mixture:
    """`share` of all requests fail, each by one of the faults that fit it; the same ones for the same seed."""

    seed: int
    share: float

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - to be repeated

    def fault(self, asked: Asked) -> Fault | None:
        if self._random.random() >= self.share:
            return None
        faults = [throttled, internal_error, reset, answer_lost, slow]
        if asked.action in BATCHES:
            faults += [some_entries_fail] * 3
        if asked.action in ("GetObject", "ListObjectsV2", "ReceiveMessage"):
            faults += [reset_in_body, truncated]
        if asked.conditional:
            faults += [conflict, answer_lost]
        return self._random.choice(faults)


@dataclass
class FaultyServer:
    """The proxy. `endpoint` is its URL; `rules` and `mixture` say what fails; `cut` and `silent` cut it all off."""

    upstream: str
    endpoint: str = ""
    rules: list[Rule] = field(default_factory=list)
    mixture: Mixture | None = None
    seen: list[tuple[str, str, str]] = field(default_factory=list)  # action, path, fault or "": in order
    asked: list[Asked] = field(default_factory=list)
    cut: Callable[[Asked], bool] = lambda _: False
    silent: Callable[[Asked], bool] = lambda _: False
    keys_a_page: int | None = None  # of a listing, fewer than the server's own thousand

    def actions(self) -> Counter[str]:
        """How often each action was asked for."""
        return Counter(action for action, _, _ in self.seen)

    def faults(self) -> Counter[str]:
        """How often each fault was played."""
        return Counter(fault for _, _, fault in self.seen if fault)

    def fail(self, fault: Fault, action: str = "*", **more: Any) -> Rule:
        """From now on by this rule, too."""
        self.rules.append(Rule(fault, action, **more))
        return self.rules[-1]

    def heal(self) -> None:
        """Everything works from now on."""
        self.rules.clear()
        self.mixture = self.keys_a_page = None
        self.cut = self.silent = lambda _: False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        asked = _asked(request, await request.read())
        self.asked.append(replace(asked, body=b""))
        if self.cut(asked):
            return await self._play(reset, request, asked)
        if self.silent(asked):
            return await self._play(never, request, asked)
        if rule := next((rule for rule in self.rules if rule.takes(asked)), None):
            return await self._play(rule.fault, request, asked)
        if self.mixture and (fault := self.mixture.fault(asked)):
            return await self._play(fault, request, asked)
        self.seen.append((asked.action, asked.path, ""))
        return await _whole(request, await self._forward(request, asked))

    async def _play(self, fault: Fault, request: web.Request, asked: Asked) -> web.StreamResponse:
        self.seen.append((asked.action, asked.path, fault.__name__))
        return await fault(request, asked, lambda asked: self._forward(request, asked))

    async def _forward(self, request: web.Request, asked: Asked) -> Answered:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        url = URL(self.upstream + request.raw_path, encoded=True)
        if self.keys_a_page is not None and asked.action == "ListObjectsV2":
            url = url.update_query({"max-keys": str(self.keys_a_page)})
        session: ClientSession = request.app[SESSION]
        async with session.request(
            request.method,
            url,
            headers=headers,
            data=BytesIO(asked.body) if asked.body else None,
            allow_redirects=False,
        ) as answer:
            body = await answer.read()
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP}
            if request.method == "HEAD" and "Content-Length" in answer.headers:
                kept["Content-Length"] = answer.headers["Content-Length"]
            return Answered(answer.status, kept, body)


SESSION = web.AppKey("session", ClientSession)


@contextmanager
def faulty_server(upstream: str) -> Iterator[FaultyServer]:
    """A faulty server in front of `upstream`, on a free loopback port, as long as the context lasts."""
    server, ready, loop = FaultyServer(upstream), threading.Event(), asyncio.new_event_loop()
    ended = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(_serve(server, ready, ended)), daemon=True)
    thread.start()
    try:
        assert ready.wait(20), "the faulty server did not start"
        yield server
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(20)
        loop.close()


async def _serve(server: FaultyServer, ready: threading.Event, ended: asyncio.Event) -> None:
    app = web.Application(client_max_size=1024**3)
    app.router.add_route("*", "/{path:.*}", server.handle)
    connector = TCPConnector(limit=0)
    async with ClientSession(connector=connector, auto_decompress=False, timeout=ClientTimeout(60)) as session:
        app[SESSION] = session
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()
        await ended.wait()
        await runner.cleanup()


def _asked(request: web.Request, body: bytes) -> Asked:
    key = request.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]
    conditional = "If-None-Match" in request.headers and request.method in ("PUT", "POST")
    if target := request.headers.get("X-Amz-Target"):
        return Asked(target.partition(".")[2], _queue_of(body), body, conditional, key)
    return Asked(_s3_action(request), request.path, body, conditional, key)


def _queue_of(body: bytes) -> str:
    fields = json.loads(body)
    return str(fields.get("QueueUrl") or fields.get("QueueName"))


def _s3_action(request: web.Request) -> str:
    query, method = request.query, request.method
    if not request.path.strip("/").partition("/")[2]:
        return {"GET": "ListObjectsV2", "PUT": "CreateBucket", "POST": "DeleteObjects"}.get(method, "HeadBucket")
    if method == "PUT" and "x-amz-copy-source" in request.headers:
        return "CopyObject"
    if "uploads" in query:
        return "CreateMultipartUpload"
    if "uploadId" in query:
        return {"PUT": "UploadPart", "POST": "CompleteMultipartUpload"}.get(method, "AbortMultipartUpload")
    return {"GET": "GetObject", "PUT": "PutObject", "HEAD": "HeadObject"}.get(method, "DeleteObject")


# The faults.


async def throttled(request: web.Request, asked: Asked, forward: Forward) -> web.StreamResponse:
    """Slow down: the request was not carried out."""
    if asked.is_sqs:
        return refusal(asked, 400, "ThrottlingException", "Rate exceeded")
    return refusal(asked, 503, "SlowDown", "Please reduce your request rate.")


async def internal_error(request: web.Request, asked: Asked, forward: Forward) -> web.StreamResponse:
    """The server stumbled: the request was not carried out."""
    return refusal(asked, 500, "InternalFailure" if asked.is_sqs else "InternalError", "We encountered an error.")


async def reset(request: web.Request, asked: Asked, forward: Forward) -> web.StreamResponse:
    """The connection breaks before the server has seen the request."""
    return _abort(request)


async def answer_lost(request: web.Request, asked: Asked, forward: Forward) -> web.StreamResponse:
    """The server has carried the request out, and the connection breaks before it can say so."""
    await forward(asked)
    return _abort(request)


async def reset_in_body(request: web.Request, asked: Asked, forward: Forward) -> web.StreamResponse:
    """The connection breaks in the middle of the body."""
    response = await _half(request, await forward(asked))
    _abort(request)
    return response


async def truncated(request: web.Request, asked: Asked, forward: Forward) -> web.StreamResponse:
    """The body ends early, and the connection is closed in good order."""
    response = await _half(request, await forward(asked))
    assert request.transport is not None
    request.transport.close()
    return response


async def stalled(request: web.Request, asked: Asked, forward: Forward) -> web.StreamResponse:
    """The server stops in the middle of the body, and says nothing more."""
    await _half(request, await forward(asked))
    return await never(request, asked, forward)


async def slow(request: web.Request, asked: Asked, forward: Forward) -> web.StreamResponse:
    """The answer comes half a second late."""
    answer = await forward(asked)
    await asyncio.sleep(0.5)
    return await _whole(request, answer)


async def never(request: web.Request, asked: Asked, forward: Forward) -> web.StreamResponse:
    """No answer, ever: only whoever asked can end this."""
    while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.05)
    return _abort(request)


async def conflict(request: web.Request, asked: Asked, forward: Forward) -> web.StreamResponse:
    """Another conditional write of the same object was under way."""
    return refusal(
        asked, 409, "ConditionalRequestConflict", "The conditional request cannot succeed due to a conflict."
    )


async def skewed(request: web.Request, asked: Asked, forward: Forward) -> web.StreamResponse:
    """The clock of whoever asks is an hour off."""
    if asked.is_sqs:
        text = "Signature expired: 20261123T110000Z is now earlier than 20261123T114500Z (20261123T120000Z - 15 min.)"
        return refusal(asked, 403, "InvalidSignatureException", text)
    more = "<RequestTime>20261123T110000Z</RequestTime><ServerTime>2026-11-23T12:00:00Z</ServerTime>"
    more += "<MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>"
    text = "The difference between the request time and the current time is too large."
    return refusal(asked, 403, "RequestTimeTooSkewed", text, more)


async def expired(request: web.Request, asked: Asked, forward: Forward) -> web.StreamResponse:
    """The credentials of the request are too old."""
    if asked.is_sqs:
        return refusal(asked, 403, "ExpiredTokenException", "The security token included in the request is expired")
    return refusal(asked, 400, "ExpiredToken", "The provided token has expired.")


async def some_entries_fail(request: web.Request, asked: Asked, forward: Forward) -> web.StreamResponse:
    """Every second entry of a batch is not carried out, which is the server's fault; a batch of one as a whole."""
    fields = json.loads(asked.body)
    failed, done = fields["Entries"][::2], fields["Entries"][1::2]
    answered: dict[str, Any] = {}
    if done:
        part = json.dumps({**fields, "Entries": done}).encode()
        answer = await forward(Asked(asked.action, asked.path, part, asked.conditional, asked.access_key))
        answered = json.loads(answer.body)
    said = [
        {"Id": entry["Id"], "Code": "InternalError", "Message": "try again", "SenderFault": False} for entry in failed
    ]
    body = {"Successful": answered.get("Successful", []), "Failed": [*answered.get("Failed", []), *said]}
    return web.json_response(body, content_type="application/x-amz-json-1.0")


def refusal(asked: Asked, status: int, code: str, message: str, more: str = "") -> web.Response:
    """An error as S3 or SQS words it."""
    if asked.is_sqs:
        body = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": message})
        headers = {"x-amzn-query-error": f"{code};Receiver"}
        return web.Response(status=status, text=body, content_type="application/x-amz-json-1.0", headers=headers)
    text = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>'
    return web.Response(status=status, text=text, content_type="application/xml")


def refusing(status: int, code: str, message: str) -> Fault:
    """A fault of one's own: the server says no, in these words."""

    async def refused(request: web.Request, asked: Asked, forward: Forward) -> web.StreamResponse:
        return refusal(asked, status, code, message)

    return refused


async def _whole(request: web.Request, answer: Answered) -> web.StreamResponse:
    response = web.Response(status=answer.status, headers=answer.headers, body=answer.body or None)
    if request.method == "HEAD" and "Content-Length" in answer.headers:
        response = web.Response(status=answer.status, headers=answer.headers)
    return response


async def _half(request: web.Request, answer: Answered) -> web.StreamResponse:
    """The head of the answer, with its right length, and half of its body."""
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_length = len(answer.body)
    await response.prepare(request)
    await response.write(answer.body[: len(answer.body) // 2])
    await asyncio.sleep(0.01)  # on its way before what comes next
    return response


def _abort(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def everything(_: Asked) -> bool:
    """For `cut` and `silent`."""
    return True


def sqs_only(asked: Asked) -> bool:
    """For `cut` and `silent`: the queue."""
    return asked.is_sqs


def s3_only(asked: Asked) -> bool:
    """For `cut` and `silent`: the store."""
    return not asked.is_sqs
