"""Functions over a store on S3, and over files there."""

import os

import pytest

import fanout
from fanout.testing import Servers

pytestmark = [pytest.mark.moto]


@pytest.fixture(autouse=True)
def account(fanout_servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that lead to the server of this session, and to none else."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "FANOUT_"))]:
        monkeypatch.delenv(name)
    for name, value in fanout_servers.environ.items():
        monkeypatch.setenv(name, value)


def test_a_run_in_a_store_on_s3(fanout_servers: Servers) -> None:
    """Items go there and rows come from there; files in a bucket are fetched for the function."""
    store = "s3://api-runs/functions"
    assert fanout.map(lambda number: number + 1, range(10), store=store) == list(range(1, 11))
    assert list(fanout.imap(str, [1, 2], store=store)) == [(1, "1"), (2, "2")]
    for name in ("a", "b"):
        fanout_servers.put(f"s3://api-data/in/{name}.txt", name)
    assert fanout.map(lambda path: path.read_text(), "s3://api-data/in/", store=store) == ["a", "b"]
    files = ["s3://api-data/in/b.txt", "s3://api-data/in/a.txt"]
    assert fanout.map(lambda path: path.read_text(), files, store=store) == ["b", "a"]
    run = next(fanout.runs(store=store))
    assert run.output().uri.startswith(f"{store}/runs/{run.name}/")
    assert run.output().rows() == ["b", "a"]
