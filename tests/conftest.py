"""What the whole suite shares: a clock turned by hand, and the servers that speak S3 and SQS.

A server starts when the first test asks for it, on a free loopback port with an empty folder, and ends with the
session. Where it is not installed, its tests are skipped, unless CI or FANOUT_REQUIRE_SERVERS is set: then they fail.
"""

import asyncio
import heapq
import itertools
import os
import signal
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

from fanout.advice import Commands, advise_with
from tests import servers
from tests.unheard import (  # noqa: F401 - hooks
    pytest_collection_finish,
    pytest_runtest_call,
    pytest_runtest_protocol,
    pytest_runtest_teardown,
)

# Four workers share two cores: how long an example takes says nothing about the code. In CI the examples are the same
# each time, so that a change is judged by what it changes; elsewhere each run looks at others.
settings.register_profile("fanout", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("fanout"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "fanout")

# Who starts the suite in the background of a script has it ignore Ctrl-C; every process of a test would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


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

    def jump(self, seconds: float) -> None:
        """Somebody sets the machine's time: `now` is another one, and nothing else has happened."""
        self._now += seconds

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
def aws_environ() -> Callable[..., dict[str, str]]:
    """The environment variables that lead any AWS tool to a server, or to one for S3 and another one for SQS."""
    return servers.aws_environ


@pytest.fixture(scope="session")
def moto_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a moto server of this session: S3 and SQS, for fewer than 200 messages."""
    yield from _started(servers.moto, tmp_path_factory)


@pytest.fixture(scope="session")
def localstack_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a LocalStack of this session: S3 and SQS."""
    yield from _started(servers.localstack, tmp_path_factory)


@pytest.fixture(scope="session")
def minio_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a MinIO of this session: S3."""
    yield from _started(servers.minio, tmp_path_factory)


@pytest.fixture(scope="session")
def elasticmq_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an ElasticMQ of this session: SQS."""
    yield from _started(servers.elasticmq, tmp_path_factory)


@pytest.fixture(scope="session")
def fauxqs_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a fauxqs of this session: SQS."""
    yield from _started(servers.fauxqs, tmp_path_factory)


def _started(
    server: Callable[[Path], AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    with ExitStack() as stack:
        try:
            endpoint = stack.enter_context(server(tmp_path_factory.mktemp(server.__name__)))
        except servers.AbsentError as absent:
            _absent(str(absent))
        yield endpoint


def _absent(why: str) -> NoReturn:
    if os.environ.get("CI") or os.environ.get("FANOUT_REQUIRE_SERVERS"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder that has the distribution `tinypkg` 1.5."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    info = "tinypkg-1.5.dist-info"
    files = {
        "tinypkg.py": "VERSION = '1.5'\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tinypkg\nVersion: 1.5\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / "tinypkg-1.5-py3-none-any.whl", "w") as wheel:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(name, text)
    return folder


@pytest.fixture(autouse=True)
def commands_without_options() -> None:
    """Commands that messages recommend have no options of a command line that an earlier test has carried out."""
    advise_with(Commands)
