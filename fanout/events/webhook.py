"""The endpoint for MinIO's webhook: what it is sent goes into the inbox, and only then is it answered.

On loopback unless told otherwise. Who sends knows a token, which comes from the environment.
"""

import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.errors import EventError, FanoutError, InfrastructureError, MissingExtraError, SettingsError
from fanout.events.armed import ArmedTrigger
from fanout.events.bodies import LONGEST_BODY, read_events
from fanout.events.event import to_body
from fanout.queue.port import Queue

if TYPE_CHECKING:
    from aiohttp import web

TOKEN_VARIABLE = "FANOUT_WEBHOOK_TOKEN"  # noqa: S105 - the name of a variable
DEFAULT_LISTEN = "127.0.0.1:9750"
SHORTEST_TOKEN = 16


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


def token_of(environ: Mapping[str, str]) -> str:
    """The token that senders must know; SettingsError when there is none, or one that can be guessed."""
    token = environ.get(TOKEN_VARIABLE, "")
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


@asynccontextmanager
async def webhook(listen: Listen, token: str, armed: ArmedTrigger, inbox: Queue) -> AsyncIterator[str]:
    """The endpoint is up, at the URL, while the context lasts; InfrastructureError when it cannot listen there."""
    try:
        from aiohttp import web
    except ImportError:
        raise MissingExtraError("Listening for MinIO's webhook", "watch") from None

    async def take(request: "web.Request") -> "web.Response":
        if not is_authorized(request.headers.get("Authorization"), token):
            return web.Response(status=401, text="the token is missing or wrong\n")
        body = await request.read()  # 413 for more than LONGEST_BODY
        return await _answer(body, armed, inbox)

    async def look(_: "web.Request") -> "web.Response":
        return web.Response(text="fanout watch\n")

    app = web.Application(client_max_size=LONGEST_BODY)
    app.router.add_post("/", take)
    app.router.add_get("/", look)  # and HEAD: senders look whether somebody is there
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2)
    await runner.setup()
    try:
        site = web.TCPSite(runner, listen.host, listen.port)
        try:
            await site.start()
        except OSError as exc:
            raise InfrastructureError(f"cannot listen on {listen.host}:{listen.port}: {exc.strerror}") from exc
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}/"
    finally:
        await runner.cleanup()


async def _answer(body: bytes, armed: ArmedTrigger, inbox: Queue) -> "web.Response":
    """200 once the events are in the queue; 503, so that the sender comes again, when they cannot be put there."""
    from aiohttp import web

    try:
        events = [event for event in read_events(body) if armed.ignores(event) is None]
    except EventError as exc:
        return web.Response(status=400, text=f"{exc}\n")
    try:
        await inbox.send([to_body([event]) for event in events])
    except FanoutError:
        return web.Response(status=503, text="the queue does not take events just now\n")
    return web.Response(text=f"{len(events)}\n")
