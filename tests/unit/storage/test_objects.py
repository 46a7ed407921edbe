"""The store's door when the server misbehaves: an S3 on loopback that fails as it is told."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from obstore.store import LocalStore, MemoryStore, ObjectStore

from fanout.errors import StoreError
from fanout.storage import objects
from fanout.storage.access import Access, Credentials
from fanout.storage.open import open_store

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"  # noqa: S105 - a made-up one, which must not show up


@dataclass
class Server:
    """Objects in a dictionary; each request first meets the next fault of the script, if there is one."""

    endpoint: str = ""
    kept: dict[str, bytes] = field(default_factory=dict)
    faults: Iterator[Callable[[web.Request], web.Response | None]] = field(default_factory=lambda: iter(()))
    requests: int = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        body = await request.read()
        fault = next(self.faults, None)
        if fault is lose_answer:
            self._answer(request, body)
        if fault and (response := fault(request)):
            return response
        return self._answer(request, body)

    def _answer(self, request: web.Request, body: bytes) -> web.Response:
        key = request.path
        if request.method == "PUT":
            if key in self.kept and request.headers.get("If-None-Match") == "*":
                return error(412, "PreconditionFailed", "it exists")
            self.kept[key] = body
            return web.Response(headers={"ETag": '"1"'})
        if key not in self.kept:
            return error(404, "NoSuchKey", "The specified key does not exist.")
        headers = {"ETag": '"1"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
        return web.Response(body=self.kept[key], headers=headers)


def error(status: int, code: str, message: str) -> web.Response:
    """An error as S3 words it."""
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return web.Response(status=status, text=text, content_type="application/xml")


def conflict(request: web.Request) -> web.Response:
    """Another conditional write is under way."""
    return error(409, "ConditionalRequestConflict", "conflict")


def slow_down(request: web.Request) -> web.Response:
    """S3 while it scales."""
    return error(503, "SlowDown", "Please reduce your request rate.")


def lose_answer(request: web.Request) -> None:
    """The request was carried out, but its answer never arrives."""
    assert request.transport is not None
    request.transport.abort()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """An S3 of this test's own."""
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


@pytest.fixture
def store(server: Server) -> ObjectStore:
    """A store on that server."""
    return open_store(
        "s3://bucket/run",
        Access(server.endpoint, credentials=Credentials("AKIAIOSFODNN7EXAMPLE", SECRET), patience=1.0),
    )


async def test_conflict_means_try_again(server: Server, store: ObjectStore) -> None:
    """409 says that nobody has won yet."""
    server.faults = iter([conflict])
    assert await objects.create(store, "seal", b"ours") is True
    assert server.kept == {"/bucket/run/seal": b"ours"}


async def test_conflict_lost(server: Server, store: ObjectStore) -> None:
    """The other write of a conflict has won when its object is there."""
    server.kept["/bucket/run/seal"] = b"theirs"
    server.faults = iter([conflict])
    assert await objects.create(store, "seal", b"ours") is False


async def test_endless_conflict(server: Server, store: ObjectStore) -> None:
    """Tries are bounded in time."""
    server.faults = (conflict if number % 2 == 0 else slow_404 for number in range(1000))
    with pytest.raises(StoreError, match="cannot create seal: conditional writes conflicted for 1 s"):
        await objects.create(store, "seal", b"ours")


def slow_404(request: web.Request) -> web.Response:
    """The object of the conflict is not there."""
    return error(404, "NoSuchKey", "The specified key does not exist.")


async def test_our_own_write_is_ours(server: Server, store: ObjectStore) -> None:
    """When the answer to our write was lost, the second try finds the object; it is ours by its content."""
    server.faults = iter([lose_answer])
    assert await objects.create(store, "seal", b"ours") is True
    assert server.requests == 3


async def test_slow_down_is_waited_out(server: Server, store: ObjectStore) -> None:
    """503 is no error of the user's, and no error at all when a later try succeeds."""
    server.faults = iter([slow_down, slow_down])
    await objects.put(store, "a", b"1")
    server.faults = iter([slow_down])
    assert await objects.read(store, "a") == b"1"


async def test_truncated_body_is_never_taken_for_the_object(server: Server, store: ObjectStore) -> None:
    """A range that comes back short is an error, not a short object."""
    server.kept["/bucket/run/a"] = b"0123456789"
    with pytest.raises(StoreError, match="cannot read a"):
        await objects.read_range(store, "a", 5, 15)


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (403, "AccessDenied", "Access Denied"),
        (400, "ExpiredToken", "The provided token has expired."),
    ],
)
async def test_refusals_are_told_as_the_server_worded_them(
    server: Server, store: ObjectStore, status: int, code: str, message: str
) -> None:
    """Code and message, after what was tried and with which key; no credentials, no dump."""
    server.faults = iter([lambda _: error(status, code, f"{message} AKIAIOSFODNN7EXAMPLE")])
    with pytest.raises(StoreError) as caught:
        await objects.read(store, "results/1")
    assert str(caught.value) == f"cannot read results/1: {code}: {message} [hidden]"
    assert SECRET not in str(caught.value)


async def test_somebody_elses_equal_object_in_memory() -> None:
    """Where no answer can get lost, an equal object is still somebody else's."""
    store = MemoryStore()
    assert await objects.create(store, "seal", b"same") is True
    assert await objects.create(store, "seal", b"same") is False


async def test_what_is_missing_is_known_without_asking(tmp_path: Path) -> None:
    """Only of a folder, and of keys whose files are called as they are: what is there is never called missing."""
    folder, memory = LocalStore(tmp_path), MemoryStore()
    for key in ("a/b.json", "a/c d", "a/e%20f", "a/g#h"):
        await objects.put(folder, key, b"1")
        assert not objects.is_surely_missing(folder, key)
        assert await objects.read(folder, key) == b"1"
    assert objects.is_surely_missing(folder, "a/x.json")
    assert await objects.read(folder, "a/x.json") is None
    assert not objects.is_surely_missing(folder, "a/x y")
    assert not objects.is_surely_missing(memory, "a/x.json")
    assert not objects.is_surely_missing(LocalStore(), "a/x.json")
