"""S3 through a server that fails as it is told: nothing is lost, nothing half is taken for whole, and tries end."""

import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from obstore.store import ObjectStore

from fanout.errors import StoreError
from fanout.files import listing
from fanout.files.listing import list_folder
from fanout.files.transfer import download_file, upload_file
from fanout.results.codec import Entries, Event, ResultIndex, encode
from fanout.results.reader import read_index
from fanout.storage import objects
from fanout.storage.access import Access
from fanout.storage.open import ensure_bucket, open_store
from tests.faulty_server import (
    Asked,
    Fault,
    FaultyServer,
    answer_lost,
    conflict,
    everything,
    expired,
    faulty_server,
    internal_error,
    never,
    refusing,
    reset,
    reset_in_body,
    skewed,
    stalled,
    throttled,
    truncated,
)

pytestmark = pytest.mark.moto

PATIENCE = 3.0
LARGE = bytes(range(256)) * 28_000  # 7 MB: two parts of an upload
REFUSED_OR_CUT = (throttled, internal_error, reset, answer_lost)
IN_BODY = (reset_in_body, truncated)


@pytest.fixture(scope="module")
def server(moto_endpoint: str) -> Iterator[FaultyServer]:
    """moto behind a proxy that fails."""
    with faulty_server(moto_endpoint) as server:
        yield server


@pytest.fixture
def access(server: FaultyServer, aws_environ: Callable[[str], dict[str, str]]) -> Iterator[Access]:
    """How it is reached, by somebody who is soon out of patience."""
    server.heal()
    yield Access.from_environ({**aws_environ(server.endpoint), "FANOUT_PATIENCE": str(PATIENCE)})
    server.heal()


@pytest.fixture
async def uri(access: Access) -> str:
    """An empty folder of a bucket of this test's own."""
    bucket = f"faults-{uuid.uuid4().hex}"
    await ensure_bucket(f"s3://{bucket}", access)
    return f"s3://{bucket}/run"


@pytest.fixture
def store(uri: str, access: Access) -> ObjectStore:
    return open_store(uri, access)


async def _keys(store: ObjectStore) -> list[str]:
    return [listed.key async for listed in objects.list_keys(store, "many")]


EVENTS = tuple(Event(f"process{number:05d}", 1.5, None) for number in range(500))
RESULT = encode([], [], EVENTS)
CALLS: dict[str, tuple[str, Callable[[ObjectStore], Awaitable[Any]], Any]] = {
    "read": ("GetObject", lambda store: objects.read(store, "large"), LARGE),
    "read_range": ("GetObject", lambda store: objects.read_range(store, "large", 9, 5_000_000), LARGE[9:5_000_000]),
    "put": ("PutObject", lambda store: objects.put(store, "new", b"body"), None),
    "create": ("PutObject", lambda store: objects.create(store, "new", b"body"), True),
    "copy": ("CopyObject", lambda store: objects.copy(store, "large", "copy"), None),
    "delete": ("DeleteObjects", lambda store: objects.delete(store, "many/a"), None),
    "list_keys": ("ListObjectsV2", _keys, ["many/a", "many/b"]),
    "list_names": ("ListObjectsV2", lambda store: objects.list_names(store, "many"), ["a", "b"]),
    "read_index": (
        "GetObject",
        lambda store: read_index(store, "result"),
        ResultIndex(Entries.of(()), EVENTS, len(RESULT)),
    ),
}
HAVE_BODIES = ("read", "read_range", "copy", "delete", "list_keys", "list_names", "read_index")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", [*REFUSED_OR_CUT, *IN_BODY], ids=lambda fault: fault.__name__)
async def test_every_call_outlives_every_fault(
    server: FaultyServer, store: ObjectStore, call: str, fault: Fault
) -> None:
    """Twice in a row refused, cut before or after the work, or in the body: the right answer all the same."""
    if fault in IN_BODY and call not in HAVE_BODIES:
        pytest.skip("this answer has no body")
    for name, body in (("large", LARGE), ("many/a", b"x"), ("many/b", b"x"), ("result", RESULT)):
        if (name == "large") is (call in ("read", "read_range", "copy")):
            await objects.put(store, name, body)
    action, make, expected = CALLS[call]
    server.fail(fault, action, count=2)
    assert await make(store) == expected
    assert server.rules[-1].count == 0, "the faults were played"
    server.heal()
    kept = {"put": ("new", b"body"), "create": ("new", b"body"), "copy": ("copy", LARGE), "delete": ("many/a", None)}
    if call in kept:
        key, body = kept[call]
        assert await objects.read(store, key) == body


@pytest.mark.parametrize("action", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
@pytest.mark.parametrize("fault", [*REFUSED_OR_CUT, *IN_BODY], ids=lambda fault: fault.__name__)
async def test_uploads_in_parts(
    server: FaultyServer, store: ObjectStore, tmp_path: Path, action: str, fault: Fault
) -> None:
    """Whatever part of it fails, the object is whole in the end."""
    if fault in IN_BODY and action == "UploadPart":
        pytest.skip("this answer has no body")
    (tmp_path / "file").write_bytes(LARGE)
    server.fail(fault, action)
    await upload_file(tmp_path / "file", store, "large")
    assert server.rules[-1].count == 0, "the fault was played"
    assert await objects.read(store, "large") == LARGE


async def test_upload_that_the_server_has_forgotten(server: FaultyServer, store: ObjectStore, tmp_path: Path) -> None:
    """Its completion was carried out unheard, or its parts are gone: it is made anew."""
    (tmp_path / "file").write_bytes(LARGE)
    server.fail(refusing(404, "NoSuchUpload", "The specified upload does not exist."), "CompleteMultipartUpload")
    await upload_file(tmp_path / "file", store, "large")
    assert await objects.read(store, "large") == LARGE


@pytest.mark.parametrize("fault", [*IN_BODY, stalled, reset], ids=lambda fault: fault.__name__)
async def test_files_come_down_whole(
    server: FaultyServer, store: ObjectStore, uri: str, access: Access, tmp_path: Path, fault: Fault
) -> None:
    """A stream that breaks off goes on; nothing half is ever at the target."""
    await objects.put(store, "large", LARGE)
    server.fail(fault, "GetObject", count=2)
    await download_file(f"{uri}/large", tmp_path / "file", access)
    assert (tmp_path / "file").read_bytes() == LARGE
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


async def test_file_that_never_comes_whole(
    server: FaultyServer, store: ObjectStore, uri: str, access: Access, tmp_path: Path
) -> None:
    """An error, and nothing at the target."""
    await objects.put(store, "large", LARGE)
    server.fail(truncated, "GetObject", count=None)
    with pytest.raises(StoreError, match="cannot read s3://"):
        await download_file(f"{uri}/large", tmp_path / "file", access)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", IN_BODY, ids=lambda fault: fault.__name__)
async def test_listing_goes_on_where_it_broke_off(
    server: FaultyServer,
    store: ObjectStore,
    uri: str,
    access: Access,
    fault: Fault,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second page fails: each key comes once, for services and for the planner, and only that page again."""
    monkeypatch.setattr(objects, "LIST_CHUNK", 10)
    monkeypatch.setattr(listing, "LIST_PAGE", 10)
    names = [f"many/{number:03d}" for number in range(25)]
    for name in names:
        await objects.put(store, name, b"x")
    server.keys_a_page = 10
    server.fail(fault, "ListObjectsV2", skip=1)
    assert await _keys(store) == names
    server.fail(fault, "ListObjectsV2", skip=1)
    server.seen.clear()
    assert [entry.uri for entry in list_folder(f"{uri}/many", access)] == [f"{uri}/{name}" for name in names]
    assert server.actions() == {"ListObjectsV2": 4}


async def test_create_that_nobody_answered_is_known_as_ours(server: FaultyServer, store: ObjectStore) -> None:
    """The server kept the object, the answer was lost, the second try meets 412: by its content it is ours (case 8)."""
    server.fail(answer_lost, "PutObject", conditional=True)
    assert await objects.create(store, "seal", b"ours") is True
    server.fail(answer_lost, "PutObject", conditional=True)
    assert await objects.create(store, "seal", b"theirs") is False, "that one is somebody else's"
    assert await objects.read(store, "seal") == b"ours"


async def test_create_whose_answer_never_comes(server: FaultyServer, store: ObjectStore) -> None:
    """obstore does not repeat a conditional write that timed out, as it cannot know; we can."""
    server.fail(never, "PutObject", conditional=True)
    assert await objects.create(store, "seal", b"ours") is True


@pytest.mark.parametrize("is_there", [True, False])
async def test_conflict_is_tried_again(server: FaultyServer, store: ObjectStore, is_there: bool) -> None:
    """409 says that nobody has won yet; 412 that somebody has (case 8)."""
    if is_there:
        await objects.put(store, "seal", b"theirs")
    server.fail(conflict, "PutObject", conditional=True, count=3)
    assert await objects.create(store, "seal", b"ours") is not is_there
    assert await objects.read(store, "seal") == (b"theirs" if is_there else b"ours")


@pytest.mark.parametrize("fault", [throttled, reset, never, truncated], ids=lambda fault: fault.__name__)
async def test_tries_end(server: FaultyServer, store: ObjectStore, fault: Fault) -> None:
    """A server that stays away: after the bound an error says what, where, and for how long (case 7)."""
    await objects.put(store, "large", LARGE)
    server.fail(fault, "GetObject", count=None)
    begun = time.monotonic()
    with pytest.raises(StoreError) as caught:
        await objects.read(store, "large")
    assert PATIENCE * 0.9 <= time.monotonic() - begun <= PATIENCE + 5
    said = str(caught.value)
    assert said.startswith("cannot read large: ")
    assert "tried " in said
    assert server.endpoint in said


async def test_tries_spread(server: FaultyServer, store: ObjectStore) -> None:
    """Pauses grow: in the whole patience a server is not asked more than a few dozen times."""
    server.seen.clear()
    server.fail(throttled, "GetObject", count=None)
    with pytest.raises(StoreError, match=r"SlowDown: Please reduce your request rate\.; tried \d+ times in \d"):
        await objects.read(store, "any")
    assert 4 <= server.actions()["GetObject"] <= 40


async def test_network_that_comes_back(server: FaultyServer, store: ObjectStore) -> None:
    """Cut for a second in the middle of work: the call takes longer, and that is all (case 11)."""
    until = time.monotonic() + 1.0

    def cut(_: Asked) -> bool:
        return time.monotonic() < until

    server.cut = cut
    assert await objects.create(store, "seal", b"ours") is True
    assert time.monotonic() >= until


async def test_network_that_stays_away(server: FaultyServer, store: ObjectStore) -> None:
    """Nobody waits for ever."""
    server.cut = everything
    with pytest.raises(StoreError, match=r"cannot create seal: .*error sending request; tried \d+ times in"):
        await objects.create(store, "seal", b"ours")


@pytest.mark.parametrize(
    "call", [lambda store: objects.read(store, "a"), lambda store: objects.create(store, "a", b"x"), _keys]
)
async def test_clock_that_is_off_is_told_as_that(server: FaultyServer, store: ObjectStore, call: Any) -> None:
    """At once, and with what to do (case 14)."""
    server.fail(skewed, count=None)
    with pytest.raises(StoreError, match="this machine's clock is 1 h 0 min behind the server's; set it"):
        await call(store)


async def test_expired_keys_of_the_environment_are_told(server: FaultyServer, store: ObjectStore) -> None:
    """Nobody can renew those: no endless tries (case 21)."""
    server.fail(expired, count=None)
    with pytest.raises(StoreError, match=r"cannot read a: ExpiredToken: The provided token has expired\."):
        await objects.read(store, "a")
