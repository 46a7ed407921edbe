"""Credentials that expire while a process works are renewed, for S3 and SQS alike (case 21).

The server behind the proxy refuses every key whose time is up.
"""

import asyncio
import json
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from fanout.clock import SystemClock
from fanout.queues.sqs import SqsQueueService
from fanout.storage import credentials, objects
from fanout.storage.access import Access
from fanout.storage.open import ensure_bucket, open_store
from tests.faulty_server import Asked, FaultyServer, Rule, expired, faulty_server

pytestmark = pytest.mark.moto

LIFETIME = 2.0


@dataclass
class Issuer:
    """Gives out keys that are good for two seconds; knows which are."""

    url: str = ""
    good_until: dict[str, float] = field(default_factory=dict)

    def issue(self) -> dict[str, str]:
        key = f"AKIA{uuid.uuid4().hex[:16].upper()}"
        self.good_until[key] = time.time() + LIFETIME
        end = datetime.fromtimestamp(self.good_until[key], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"AccessKeyId": key, "SecretAccessKey": "secret", "Token": "token", "Expiration": end}

    def is_too_old(self, asked: Asked) -> bool:
        return self.good_until.get(asked.access_key, 0.0) + 0.5 < time.time()


class _Expired(Rule):
    def __init__(self, issuer: Issuer) -> None:
        super().__init__(expired, count=None)
        self.issuer = issuer

    def takes(self, asked: Asked) -> bool:
        return self.issuer.is_too_old(asked)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """An endpoint for credentials, as containers on AWS have one."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = issuer.issue()
            if self.path == "/process":  # the same in the words of credential_process
                found = {"Version": 1, "SessionToken": found.pop("Token"), **found}  # type: ignore[dict-item]
            body = json.dumps(found).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing to say."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    issuer.url = f"http://127.0.0.1:{server.server_port}"
    yield issuer
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server(moto_endpoint: str, issuer: Issuer) -> Iterator[FaultyServer]:
    """moto behind a proxy that knows which keys are too old."""
    with faulty_server(moto_endpoint) as server:
        server.rules.append(_Expired(issuer))
        yield server


@pytest.fixture(params=["container", "process"])
async def access(
    request: pytest.FixtureRequest,
    server: FaultyServer,
    issuer: Issuer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    aws_environ: Callable[[str], dict[str, str]],
) -> AsyncIterator[Access]:
    """No keys in the environment: they come from the container's endpoint, or from a command of the profile."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setattr(credentials, "ASKED_EVERY", 1.0)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials of the test before
    if request.param == "container":
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{issuer.url}/container")
    else:
        code = f"import urllib.request as u; print(u.urlopen('{issuer.url}/process').read().decode())"
        (tmp_path / "fetch.py").write_text(code)
        (tmp_path / "config").write_text(f"[default]\ncredential_process = {sys.executable} {tmp_path}/fetch.py\n")
    environ = {k: v for k, v in aws_environ(server.endpoint).items() if "KEY" not in k}
    yield Access.from_environ({**environ, "FANOUT_PATIENCE": "5"})


async def test_keys_are_renewed_while_we_work(server: FaultyServer, issuer: Issuer, access: Access) -> None:
    """Three times as long as a key lives: every request is signed with one that is good, and none is refused."""
    assert access.credentials is None
    bucket = f"s3://renewed-{uuid.uuid4().hex}"
    await ensure_bucket(bucket, access)
    store, service = open_store(bucket, access), SqsQueueService(access, SystemClock())
    pair = await service.create(f"renewed-{uuid.uuid4().hex}", visibility=30, max_receives=5)
    end, count = time.monotonic() + 3 * LIFETIME, 0
    while time.monotonic() < end:
        await objects.put(store, f"{count}", b"x")
        await pair.main.send([f"{count}"])
        count += 1
        await asyncio.sleep(0.2)
    assert len([key async for key in objects.list_keys(store)]) == count
    bodies = set[str]()  # a message whose answer came too late was sent again
    while found := await pair.main.receive(10, 0.5):
        bodies |= {delivery.body for delivery in found}
    assert bodies == {f"{number}" for number in range(count)}
    for sqs in (True, False):
        assert len({asked.access_key for asked in server.asked if asked.is_sqs is sqs}) >= 2
    assert not server.faults()
    await service.close()
