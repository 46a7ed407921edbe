"""The endpoint for MinIO's webhook: what it is sent goes into the inbox, and only then is it answered.

Listens on loopback by default. Senders need a token, which comes from the environment. Any client that reaches the port
can open connections, so each has a time for its request and for all of it, and there are so many at once.
"""

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.errors import EventError, FanoutError, InfrastructureError, MissingExtraError, SettingsError
from fanout.queues.base import Queue
from fanout.triggers.compiled import CompiledTrigger
from fanout.triggers.event import to_body
from fanout.triggers.sources.bodies import LONGEST_BODY, read_events

if TYPE_CHECKING:
    from aiohttp import web

TOKEN_VARIABLE = "FANOUT_WEBHOOK_TOKEN"  # noqa: S105 - the name of a variable
DEFAULT_LISTEN = "127.0.0.1:9750"
SHORTEST_TOKEN = 16
REQUEST_SECONDS = 10.0
"""From a connection to the end of its headers, and from there to the end of its body."""
CONNECTION_SECONDS = 60.0
MOST_CONNECTIONS = 100


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the endpoint listens; port 0 is any free one."""

    host: str
    port: int


def listen_on(text: str) -> Listen:
    """`HOST:PORT` as values; SettingsError for anything else."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise SettingsError(f"--listen: expected HOST:PORT, such as {DEFAULT_LISTEN}, found '{text}'")
    return Listen(host.strip("[]"), int(port))


def token_of(environ: MutableMapping[str, str]) -> str:
    """The token that senders must know; SettingsError when there is none, or one that can be guessed.

    It is taken out of `environ`: scripts and commands of the runs that are started have no need of it.
    """
    token = environ.pop(TOKEN_VARIABLE, "")
    if len(token) < SHORTEST_TOKEN or not token.isprintable() or not token.isascii() or " " in token:
        raise SettingsError(
            f"{TOKEN_VARIABLE}: expected a token of at least {SHORTEST_TOKEN} letters and digits, the same that MinIO "
            f"has as auth_token; `python -c 'import secrets; print(secrets.token_urlsafe())'` makes one"
        )
    return token


def is_authorized(header: str | None, token: str) -> bool:
    """Whether an Authorization header holds the token, in a time that says nothing about it."""
    given = (header or "").removeprefix("Bearer ").encode("utf-8", "replace")
    return hmac.compare_digest(given, token.encode())


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a connection may take, in seconds, and how many there are at once."""

    request: float = REQUEST_SECONDS
    connection: float = CONNECTION_SECONDS
    connections: int = MOST_CONNECTIONS


class Connection(asyncio.Protocol):
    """One connection: what HTTP makes of it, until its time is over. There are no more than the bound says."""

    def __init__(self, inner: asyncio.Protocol, bounds: Bounds, there: dict[asyncio.Protocol, "Connection"]) -> None:
        self._inner = inner
        self._bounds = bounds
        self._there = there
        self._transport: asyncio.Transport | None = None
        self._timers: list[asyncio.TimerHandle] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The first of those that have not said yet what they want makes room when there are too many."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a TCP server
        self._transport = transport
        self._inner.connection_made(transport)
        loop = asyncio.get_running_loop()
        self._timers = [
            loop.call_later(self._bounds.request, self.end),
            loop.call_later(self._bounds.connection, self.end),
        ]
        if len(self._there) >= self._bounds.connections:
            next(iter(self._there.values())).end()
        self._there[self._inner] = self

    def asked(self) -> None:
        """The headers are there, and the token is right: it is no longer one of those that make room."""
        self._timers[0].cancel()
        self._there.pop(self._inner, None)

    def end(self) -> None:
        """The connection is over, whatever was going on."""
        self._there.pop(self._inner, None)
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in self._timers:
            timer.cancel()
        self._there.pop(self._inner, None)
        self._inner.connection_lost(exc)


@asynccontextmanager
async def webhook(
    listen: Listen, token: str, compiled: CompiledTrigger, inbox: Queue, bounds: Bounds | None = None
) -> AsyncIterator[str]:
    """The endpoint is up, at the URL, while the context lasts; InfrastructureError when it cannot listen there."""
    bounds = bounds or Bounds()
    there: dict[asyncio.Protocol, Connection] = {}
    try:
        from aiohttp import web
    except ImportError:
        raise MissingExtraError("Listening for MinIO's webhook", "watch") from None

    async def take(request: "web.Request") -> "web.Response":
        if not is_authorized(request.headers.get("Authorization"), token):
            return web.Response(status=401, text="the token is missing or wrong\n")
        connection = there.get(request.protocol)
        if connection is not None:
            connection.asked()
        try:
            async with asyncio.timeout(bounds.request):
                body = await request.read()  # 413 for more than LONGEST_BODY
        except TimeoutError:
            return web.Response(status=408, text=f"the body took longer than {bounds.request:g} seconds\n")
        return await _answer(body, compiled, inbox)

    async def look(_: "web.Request") -> "web.Response":
        return web.Response(text="fanout watch\n")

    app = web.Application(client_max_size=LONGEST_BODY)
    app.router.add_post("/", take)
    app.router.add_get("/", look)  # and HEAD: senders check whether the server is up
    app.on_response_prepare.append(_last_answer)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2, lingering_time=1)
    await runner.setup()
    try:
        http = runner.server
        assert http is not None  # noqa: S101 - it was set up
        server = await _listening(listen, lambda: Connection(http(), bounds, there))
        try:
            host, port = server.sockets[0].getsockname()[:2]
            yield f"http://{host}:{port}/"
        finally:
            server.close()
    finally:
        await runner.cleanup()


async def _last_answer(_: "web.Request", answer: "web.StreamResponse") -> None:
    """A connection is for one request, whose time is its time."""
    answer.headers["Connection"] = "close"
    answer.force_close()


async def _listening(listen: Listen, connection: Callable[[], Connection]) -> asyncio.Server:
    try:
        return await asyncio.get_running_loop().create_server(connection, listen.host, listen.port, reuse_address=True)
    except OSError as exc:
        raise InfrastructureError(f"cannot listen on {listen.host}:{listen.port}: {exc.strerror}") from exc


async def _answer(body: bytes, compiled: CompiledTrigger, inbox: Queue) -> "web.Response":
    """200 once the events are in the queue; 503, so that the sender comes again, when they cannot be put there."""
    from aiohttp import web

    try:
        events = [event for event in read_events(body) if compiled.ignores(event) is None]
    except EventError as exc:
        return web.Response(status=400, text=f"{exc}\n")
    try:
        await inbox.send([to_body([event]) for event in events])
    except FanoutError:
        return web.Response(status=503, text="the queue does not take events just now\n")
    return web.Response(text=f"{len(events)}\n")
