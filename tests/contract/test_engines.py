"""Each engine that places nodes elsewhere, on a real cluster of its kind."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fanout.engines import slurm as slurm_engine
from fanout.engines import ssh as ssh_engine
from fanout.testing.contracts import EngineBench, PlacerContract
from tests.clusters import slurm, sshd

pytestmark = pytest.mark.xdist_group("clusters")


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Hosts]:
    with sshd.hosts(tmp_path_factory.mktemp("ssh"), "one", "two") as hosts:
        yield hosts


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[slurm.Slurm]:
    with slurm.slurm(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.mark.skipif(sshd.missing() is not None, reason=str(sshd.missing()))
class TestSsh(PlacerContract):
    """Two hosts, which are sshds of this machine."""

    @pytest.fixture
    def bench(self, hosts: sshd.Hosts, tmp_path: Path) -> EngineBench:
        settings = {"hosts": hosts.names, "options": hosts.options}
        return EngineBench(lambda: ssh_engine.open_placer(settings), sys.executable, tmp_path)


@pytest.mark.skipif(slurm.missing() is not None, reason=str(slurm.missing()))
class TestSlurm(PlacerContract):
    """Two machines, which are slurmds of this one."""

    @pytest.fixture
    def bench(self, cluster: slurm.Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EngineBench:
        for name, value in cluster.environ.items():
            monkeypatch.setenv(name, value)
        settings = {"logs": str(tmp_path / "logs")}
        return EngineBench(lambda: slurm_engine.open_placer(settings), sys.executable, tmp_path)
