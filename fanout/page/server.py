"""The live page: a small web server over a store. It keeps nothing that the store does not hold, and changes nothing
unless it was given `act`. A page hears of changes by server-sent events, and asks for what is new.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fanout.errors import FanoutError, InfrastructureError, MissingExtraError, UserError
from fanout.page.answers import Answers, Question
from fanout.page.bundle import TYPES, asset
from fanout.page.gate import ACTION_HEADER, HEADERS, Gate, hosts_of
from fanout.security.redaction import redact

if TYPE_CHECKING:
    from aiohttp import web

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

QUIET = 15.0
"""Seconds after which a line without meaning keeps a connection of events alive."""
LOOK_EVERY = 0.5
LONGEST_REQUEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the page listens; port 0 is any free one."""

    host: str
    port: int


@asynccontextmanager
async def serving(listen: Listen, token: str, answers: Answers) -> AsyncIterator[str]:
    """The page is up while the context lasts, at the URL, which has the token; InfrastructureError when it cannot
    listen there, MissingExtraError without aiohttp.
    """
    try:
        from aiohttp import web
    except ImportError:
        raise MissingExtraError("The live page", "ui") from None

    stopping, gate = asyncio.Event(), Gate(token, frozenset(), "")
    pages = _Pages(answers, stopping, gate)

    @web.middleware
    async def guard(request: web.Request, handler: "Handler") -> web.StreamResponse:
        return await pages.guard(request, handler)

    app = web.Application(client_max_size=LONGEST_REQUEST, middlewares=[guard])
    pages.add_routes(app)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, listen.host, listen.port, reuse_address=True)
    try:
        try:
            await site.start()
        except OSError as exc:
            raise InfrastructureError(f"cannot listen on {listen.host}:{listen.port}: {exc.strerror}") from exc
        port = runner.addresses[0][1]
        pages.gate = Gate(token, hosts_of(listen.host, port), f"fanout-{port}")
        shown = f"[{listen.host}]" if ":" in listen.host else listen.host
        yield f"http://{shown}:{port}/?token={token}"
    finally:
        stopping.set()
        await runner.cleanup()


class _Pages:
    """The routes of the page."""

    def __init__(self, answers: Answers, stopping: asyncio.Event, gate: Gate) -> None:
        from aiohttp import web

        self._web, self._answers, self._stopping, self.gate = web, answers, stopping, gate

    def add_routes(self, app: "web.Application") -> None:
        """All that can be asked for."""
        a, get = self._answers, app.router.add_get
        get("/", self._index)
        get("/assets/{name:.+}", self._asset)
        get("/api/runs", self._listed)
        for name, answer in (
            ("run", a.run),
            ("mini-batch", a.mini_batch),
            ("usage", a.usage),
            ("logs", a.logs),
            ("log", a.log),
            ("search", a.search),
            ("peek", a.peek),
        ):
            get(f"/api/{name}", self._json(answer))
        get("/api/attempts", self._attempts)
        get("/api/download", self._download)
        get("/api/events", self._events)
        app.router.add_post("/api/action", self._act)

    async def guard(self, request: "web.Request", handler: "Handler") -> "web.StreamResponse":
        """Refuses who may not ask; what goes wrong is a sentence, and every answer has the headers."""
        why = self.gate.refusal(
            request.headers.get("Host", ""),
            request.cookies,
            request.headers.get("Authorization", ""),
            request.query.get("token", "") if request.path == "/" else "",
        )
        try:
            answer = self._text(403, why) if why else await handler(request)
        except UserError as exc:
            answer = self._text(404, str(exc))
        except FanoutError as exc:
            answer = self._text(503, str(exc))
        except self._web.HTTPException as exc:
            answer = self._text(exc.status, exc.reason)
        if not answer.prepared:
            answer.headers.update(HEADERS)
        return answer

    async def _index(self, request: "web.Request") -> "web.StreamResponse":
        if "token" in request.query:
            # The token leaves the address at once: it would be in histories and screenshots.
            answer = self._web.Response(status=303, headers={"Location": "/"})
            answer.set_cookie(self.gate.cookie, self.gate.token, httponly=True, samesite="Strict", path="/")
            return answer
        return self._web.Response(text=asset("index.html") or "", content_type="text/html")

    async def _asset(self, request: "web.Request") -> "web.StreamResponse":
        name = str(request.match_info["name"])
        text = asset(name)
        if text is None or name == "index.html":
            return self._text(404, "there is no such file")
        return self._web.Response(text=text, content_type=TYPES[name[name.rindex(".") :]])

    async def _listed(self, _: "web.Request") -> "web.StreamResponse":
        return self._web.json_response(await self._answers.listed())

    def _json(self, answer: Callable[[Question], Awaitable[Any]]) -> "Handler":
        async def handle(request: "web.Request") -> "web.StreamResponse":
            found: web.StreamResponse = self._web.json_response(await answer(_question(request)))
            return found

        return handle

    async def _attempts(self, request: "web.Request") -> "web.StreamResponse":
        parts = await self._answers.attempts(_question(request))
        answer = self._web.StreamResponse(headers={**HEADERS, "Content-Length": str(sum(map(len, parts)))})
        answer.content_type = "application/octet-stream"
        await answer.prepare(request)
        for part in parts:
            await answer.write(part)
        await answer.write_eof()
        return answer

    async def _download(self, request: "web.Request") -> "web.StreamResponse":
        text = await self._answers.download(_question(request))
        if text is None:
            return self._text(404, "there is no such log")
        headers = {"Content-Disposition": "attachment"}  # never shown as a page of this host
        return self._web.Response(text=text, content_type="text/plain", headers=headers)

    async def _events(self, request: "web.Request") -> "web.StreamResponse":
        """`change` each time that the run has changed, until the page or the server goes."""
        asked, answer = _question(request), self._web.StreamResponse(headers=HEADERS)
        answer.content_type = "text/event-stream"
        version = (await self._answers.runs.look(asked.run)).version
        await answer.prepare(request)
        await answer.write(b"retry: 1000\n\n")
        quiet = 0.0
        with suppress(ConnectionError):
            while not self._stopping.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), LOOK_EVERY)
                with suppress(FanoutError):  # the store does not answer just now
                    now = (await self._answers.runs.look(asked.run)).version
                    if now != version:
                        version, quiet = now, 0.0
                        await answer.write(f"event: change\ndata: {version}\n\n".encode())
                if (quiet := quiet + LOOK_EVERY) >= QUIET:
                    quiet = 0.0
                    await answer.write(b":\n\n")
        return answer

    async def _act(self, request: "web.Request") -> "web.StreamResponse":
        act = self._answers.act
        origin, header = request.headers.get("Origin", ""), request.headers.get(ACTION_HEADER, "")
        if act is None:
            return self._text(403, "this page only looks; fanout ui --allow-actions lets it act")
        if why := self.gate.refuses_action(origin, header):
            return self._text(403, why)
        try:
            fields = json.loads(await request.text())
            run, action = str(fields["run"]), str(fields["action"])
        except (ValueError, KeyError, TypeError):
            return self._text(400, "expected JSON with run and action")
        return self._web.json_response({"said": redact(await act(run, action))})

    def _text(self, status: int, text: str) -> "web.StreamResponse":
        return self._web.Response(status=status, text=redact(f"{text}\n"), content_type="text/plain")


def _question(request: "web.Request") -> Question:
    query = request.query
    given = query.get("round", "")
    values = tuple((name, value) for name, value in query.items() if name not in ("run", "round", "step"))
    number = int(given) if given.isdecimal() and len(given) < 7 else None
    return Question(query.get("run", ""), number, query.get("step", ""), values)
