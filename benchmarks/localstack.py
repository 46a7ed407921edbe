"""LocalStack on loopback, with an empty folder; its own log tells which requests it has answered."""

import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environments import ROOT

PYTHON = ROOT / ".localstack" / "bin" / "python"
START_LIMIT = 120.0
STOP_LIMIT = 10.0
_ANSWERED = re.compile(r"AWS (s3|sqs)\.(\w+) => \d+")


@dataclass(frozen=True, slots=True)
class LocalStack:
    """A running server."""

    endpoint: str
    log: Path

    @property
    def environ(self) -> dict[str, str]:
        """What leads any AWS tool to it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }

    def requests(self) -> Counter[str]:
        """How often each operation has been answered so far."""
        return Counter(f"{service} {operation}" for service, operation in _ANSWERED.findall(self.log.read_text()))


@contextmanager
def localstack(folder: Path) -> Iterator[LocalStack]:
    """S3 and SQS on a free port, gone at the end with everything in them."""
    if not PYTHON.exists():
        raise SystemExit("benchmarks: LocalStack is not installed; run: make localstack")
    address, log = f"127.0.0.1:{_free_port()}", folder / "server.log"
    environ = {**os.environ, **_environ(folder, address)}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(PYTHON), "-m", "localstack.runtime.main"],
            cwd=folder,
            env=environ,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        _await_health(f"http://{address}/_localstack/health", process, log)
        yield LocalStack(f"http://{address}", log)
    finally:
        _end(process)


def _environ(folder: Path, address: str) -> dict[str, str]:
    return {
        "GATEWAY_LISTEN": address,
        "LOCALSTACK_HOST": address,
        "SERVICES": "s3,sqs",
        "EAGER_SERVICE_LOADING": "1",
        "SQS_ENDPOINT_STRATEGY": "path",
        "LOCALSTACK_VOLUME_DIR": str(folder),
        "FILESYSTEM_ROOT": str(folder),
        # Nothing may leave this machine, and nothing else may be opened on it.
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "SKIP_INFRA_DOWNLOADS": "1",
        "DNS_ADDRESS": "0",
    }


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _await_health(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - a loopback URL of our own
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"benchmarks: LocalStack did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(STOP_LIMIT)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
