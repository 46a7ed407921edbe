"""Each engine that places nodes elsewhere, on a real cluster of its kind."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fanout.engines import docker as docker_engine
from fanout.engines import slurm as slurm_engine
from fanout.engines import ssh as ssh_engine
from fanout.engines.base import Resources, State
from fanout.testing.contracts import EngineBench, PlacerContract
from fanout.testing.contracts.engine import states, until
from tests.clusters import docker, slurm, sshd

pytestmark = pytest.mark.xdist_group("clusters")


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Hosts]:
    with sshd.hosts(tmp_path_factory.mktemp("ssh"), "one", "two") as hosts:
        yield hosts


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[slurm.Slurm]:
    with slurm.slurm(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[docker.Docker]:
    with docker.docker(tmp_path_factory.mktemp("docker")) as daemon:
        yield daemon


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


@pytest.mark.skipif(docker.missing() is not None, reason=str(docker.missing()))
class TestDocker(PlacerContract):
    """A daemon of its own."""

    @pytest.fixture
    def bench(self, daemon: docker.Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EngineBench:
        for name, value in daemon.environ.items():
            monkeypatch.setenv(name, value)
        needs = Resources(memory_mb=128, image=docker.IMAGE)
        settings = {"options": daemon.options}
        make = lambda: docker_engine.open_placer(settings)  # noqa: E731
        return EngineBench(make, sys.executable, tmp_path, needs, same_pids=False)

    async def test_a_node_out_of_memory_is_said_so(self, bench: EngineBench) -> None:
        """With its limit, and what to change."""
        placer, wanted = (
            bench.make(),
            bench.wanted("held = bytearray(1 << 30)\nfor i in range(0, 1 << 30, 4096): held[i] = 1"),
        )
        await placer.place(wanted, [0])
        seen = await until(bench, placer, wanted, lambda seen: states(seen) == {0: State.ENDED})
        await placer.remove(wanted, [0])
        assert "memory ran out (limit 128 MiB)" in seen[0].notice

    async def test_an_image_that_there_is_not(self, bench: EngineBench) -> None:
        """Said before anything starts."""
        wanted = replace(bench.wanted(""), resources=Resources(image="127.0.0.1:1/none:1"))
        [problem] = await bench.make().problems(wanted, ("true",))
        assert "127.0.0.1:1" in problem
