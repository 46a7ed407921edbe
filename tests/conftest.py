"""What the whole suite shares: a clock turned by hand, and the servers that speak S3 and SQS.

A server starts when the first test asks for it, on a free loopback port with an empty folder, and ends with the
session. Where it is not installed, its tests are skipped, unless CI or FANOUT_REQUIRE_SERVERS is set: then they fail.
"""

import asyncio
import heapq
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCALSTACK_PYTHON = ROOT / ".localstack" / "bin" / "python"
START_TIMEOUT = 120.0
STOP_TIMEOUT = 5.0


class ManualClock:
    """A clock that stands still until a test advances it; sleepers wake in the order of their deadlines."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now
        self._elapsed = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def monotonic(self) -> float:
        return self._elapsed

    def now(self) -> float:
        return self._now + self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        wake = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), wake))
        await wake

    def advance(self, seconds: float) -> None:
        """Lets `seconds` pass at once."""
        self._elapsed += seconds
        while self._sleepers and self._sleepers[0][0] <= self._elapsed:
            wake = heapq.heappop(self._sleepers)[2]
            if not wake.done():
                wake.set_result(None)

    async def run(self, seconds: float, step: float = 0.1) -> None:
        """Lets `seconds` pass in steps, with a turn for everybody in between."""
        for _ in range(round(seconds / step)):
            self.advance(step)
            for _ in range(10):
                await asyncio.sleep(0)

    @property
    def sleeping(self) -> int:
        """How many wait for this clock."""
        return sum(not wake.done() for _, _, wake in self._sleepers)


@pytest.fixture
def manual_clock() -> ManualClock:
    """A clock that only the test turns."""
    return ManualClock()


@pytest.fixture(scope="session")
def aws_environ() -> Callable[[str], dict[str, str]]:
    """The environment variables that lead any AWS tool to a server at an endpoint."""

    def environ(endpoint: str) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }

    return environ


@pytest.fixture(scope="session")
def moto_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a moto server of this session: S3 and SQS, for fewer than 200 messages."""
    program = Path(sys.executable).with_name("moto_server")
    if not program.exists():
        _absent(f"moto server is not installed beside {sys.executable}; run: make test")
    port = _free_port()
    command = [str(program), "-H", "127.0.0.1", "-p", str(port)]
    with _running("moto", command, {}, tmp_path_factory.mktemp("moto"), f"http://127.0.0.1:{port}/moto-api/"):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def localstack_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a LocalStack of this session: S3 and SQS."""
    if not LOCALSTACK_PYTHON.exists():
        _absent("LocalStack is not installed; run: make localstack")
    folder, address = tmp_path_factory.mktemp("localstack"), f"127.0.0.1:{_free_port()}"
    command = [str(LOCALSTACK_PYTHON), "-m", "localstack.runtime.main"]
    environ = _localstack_environ(folder, address)
    with _running("LocalStack", command, environ, folder, f"http://{address}/_localstack/health", _s3_and_sqs_run):
        yield f"http://{address}"


def _localstack_environ(folder: Path, address: str) -> dict[str, str]:
    return {
        "GATEWAY_LISTEN": address,
        "LOCALSTACK_HOST": address,
        "SERVICES": "s3,sqs",
        "EAGER_SERVICE_LOADING": "1",
        "SQS_ENDPOINT_STRATEGY": "path",
        "LOCALSTACK_VOLUME_DIR": str(folder),
        "FILESYSTEM_ROOT": str(folder),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        # Nothing may leave this machine, and nothing else may be opened on it.
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "SKIP_INFRA_DOWNLOADS": "1",
        "DNS_ADDRESS": "0",
    }


def _s3_and_sqs_run(health: bytes) -> bool:
    # LocalStack says that it is ready even when a service failed to load.
    states = json.loads(health)["services"]
    return all(states.get(service) in ("running", "available") for service in ("s3", "sqs"))


def _absent(why: str) -> None:
    if os.environ.get("CI") or os.environ.get("FANOUT_REQUIRE_SERVERS"):
        pytest.fail(why)
    pytest.skip(why)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def _running(
    name: str,
    command: list[str],
    environ: Mapping[str, str],
    folder: Path,
    health: str,
    is_healthy: Callable[[bytes], bool] = bool,
) -> Iterator[None]:
    """The server, from its first healthy answer until it and all its children are gone."""
    log = folder / "server.log"
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PYTEST_"))}
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env={**inherited, **environ}, cwd=folder, stdout=out, stderr=out, start_new_session=True
        )
    try:
        _await_health(name, process, health, is_healthy, log)
        yield
    finally:
        _end_group(process)


def _await_health(
    name: str, process: subprocess.Popen[bytes], url: str, is_healthy: Callable[[bytes], bool], log: Path
) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - a loopback URL of our own
                if is_healthy(answer.read()):
                    return
        except OSError:
            pass
        time.sleep(0.1)
    state = "did not become healthy" if process.poll() is None else f"ended with exit code {process.returncode}"
    pytest.fail(f"{name} {state}:\n{log.read_text(errors='replace')[-3000:]}")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Ends the server with its whole process group: politely, then for good."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(STOP_TIMEOUT)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
