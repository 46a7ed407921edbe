"""Whole runs through a server that fails: what the user sees is the output, the same bytes, and no attempt of theirs
spent on it (faults 7 to 9 and 11)."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.faulty_server import Asked, FaultyServer, Mixture, everything, faulty_server, s3_only, sqs_only

pytestmark = pytest.mark.localstack

FILES = 60
SETTINGS = """\
visibility = 5
store = "s3://{bucket}/runs"
"""


@pytest.fixture(scope="module")
def behind(localstack_endpoint: str) -> Iterator[FaultyServer]:
    """LocalStack behind a proxy that fails."""
    with faulty_server(localstack_endpoint) as server:
        yield server


@pytest.fixture
def server(behind: FaultyServer) -> Iterator[FaultyServer]:
    """The same, well at first."""
    behind.heal()
    behind.seen.clear()
    yield behind
    behind.heal()


@pytest.fixture
def remote(
    server: FaultyServer, make: Callable[..., Any], aws_environ: Callable[[str], dict[str, str]], tmp_path: Path
) -> Any:
    """A project whose store, queue and input files are all behind that server; out of patience after six seconds."""
    bucket = "faulty-" + "".join(c if c.isalnum() else "-" for c in tmp_path.name.lower())[-40:].strip("-")
    environ = {**aws_environ(server.endpoint), "FANOUT_PATIENCE": "6"}
    project = make(tmp_path, files=FILES, **environ)
    project.write("fanout.toml", SETTINGS.format(bucket=bucket))
    text = (tmp_path / "pipeline.yml").read_text()
    (tmp_path / "pipeline.yml").write_text(text.replace("path: ./in}", f"path: s3://{bucket}/in}}"))
    client = boto3.client(
        "s3",
        endpoint_url=server.upstream,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - LocalStack takes any
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=bucket)
    for path in sorted((tmp_path / "in").iterdir()):
        client.put_object(Bucket=bucket, Key=f"in/{path.name}", Body=path.read_bytes())
    client.close()
    return project


def _ends_well(project: Any, expected: bytes, run: str) -> None:
    """The bytes, and the counts of an undisturbed run."""
    assert project.output() == expected
    status = json.loads(project.fanout("status", run, "--json").stdout)
    [counts] = [step["counts"] for step in status["steps"]]
    assert (counts["succeeded"], counts["retried"]) == (FILES, 0)


@pytest.mark.parametrize("seed", [1, 2])
def test_mixture_of_all_faults(server: FaultyServer, remote: Any, expected: Callable[[], bytes], seed: int) -> None:
    """Eight of a hundred requests fail, one way or another."""
    server.mixture = Mixture(seed, 0.08)
    ended = remote.fanout("run", "pipeline.yml", "--name", "rough")
    assert ended.code == 0, ended.said
    assert sum(server.faults().values()) >= 10, "the faults were played"
    assert server.actions()["ReceiveMessage"], "on the queue, too"
    server.heal()
    _ends_well(remote, expected(), "rough")
    tries = Counter(retry for _, retry, _ in remote.attempts())
    assert set(tries) == {0}, "no attempt of the user's was spent"


@pytest.mark.parametrize("which", [s3_only, sqs_only, everything], ids=["store", "queue", "all"])
def test_network_cut_for_a_while(
    server: FaultyServer, remote: Any, expected: Callable[[], bytes], which: Callable[[Asked], bool]
) -> None:
    """Three seconds without the store, the queue or both in mid-run: everybody waits, then goes on (fault 11)."""
    remote.hold_after(9)
    process = remote.start("run", "pipeline.yml", "--name", "cut")
    remote.wait_for_attempts(10, process)
    server.cut = which
    remote.let_go()
    time.sleep(3)
    server.heal()
    stdout, stderr = process.communicate(timeout=90)
    assert process.returncode == 0, stdout + stderr
    _ends_well(remote, expected(), "cut")


def test_network_cut_for_longer_than_anybody_waits(
    server: FaultyServer, remote: Any, expected: Callable[[], bytes], tools: Any
) -> None:
    """The run ends with exit code 3 and says what cannot be reached; resuming it ends with the same bytes."""
    remote.hold_after(9)
    process = remote.start("run", "pipeline.yml", "--name", "gone")
    attempts = remote.wait_for_attempts(10, process)
    server.cut = everything
    remote.let_go()
    stdout, stderr = process.communicate(timeout=90)
    assert process.returncode == 3, stdout + stderr
    assert server.endpoint in stderr
    assert "fanout resume" in stderr
    tools.wait_until(lambda: not tools.alive([pid for _, _, pid in attempts]))
    server.heal()
    ended = remote.fanout("resume", "gone")
    assert ended.code == 0, ended.said
    assert remote.output() == expected()
