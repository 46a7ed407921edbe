"""The compose files open nothing but loopback, run what they say, and are the set-ups that README.md describes."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
FILES = sorted(ROOT.glob("docker-compose*.yml"))


def _services(path: Path) -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load(path.read_text())["services"]
    return services


SERVICES = [pytest.param(service, id=name) for path in FILES for name, service in _services(path).items()]


def test_there_is_a_file_for_each_set_up() -> None:
    """LocalStack alone, and MinIO with ElasticMQ."""
    assert {path.name: set(_services(path)) for path in FILES} == {
        "docker-compose.localstack.yml": {"localstack"},
        "docker-compose.minio-elasticmq.yml": {"minio", "elasticmq"},
    }


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_on_loopback(service: dict[str, Any]) -> None:
    """These servers have no passwords worth the name: nobody else on the network may reach them."""
    assert service["ports"]
    assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for port in service["ports"])
    assert "network_mode" not in service


@pytest.mark.parametrize("service", SERVICES)
def test_images_are_pinned(service: dict[str, Any]) -> None:
    """What works today is what is started tomorrow: a whole version, never `latest`."""
    _, _, tag = service["image"].rpartition(":")
    assert re.fullmatch(r"\d+\.\d+\.\d+|RELEASE\.\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ", tag), service["image"]


@pytest.mark.parametrize("service", SERVICES)
def test_up_waits_until_the_server_is_well(service: dict[str, Any]) -> None:
    """`up --wait` returns when a health check has passed, within a minute or so."""
    check = service["healthcheck"]
    assert check["test"][0] in ("CMD", "CMD-SHELL")
    assert check["retries"] * float(check["interval"].removesuffix("s")) >= 30


def test_versions_are_those_the_suite_runs() -> None:
    """LocalStack and ElasticMQ are proved in the very version that the compose files start."""
    constraints = (ROOT / ".ci" / "localstack-constraints.txt").read_text()
    [localstack] = re.findall(r"^localstack-core==(\S+)$", constraints, re.MULTILINE)
    [elasticmq] = re.findall(
        r"elasticmq-server_2\.13-([\d.]+)\.jar$", (ROOT / ".ci" / "elasticmq.lock").read_text(), re.MULTILINE
    )
    images = {name: service["image"] for path in FILES for name, service in _services(path).items()}
    assert images["localstack"].endswith(f":{localstack}")
    assert images["elasticmq"].endswith(f":{elasticmq}")


def test_readme_tells_their_endpoints_and_keys() -> None:
    """Whoever copies from README.md reaches what the compose files start, with keys that MinIO takes."""
    readme = (ROOT / "README.md").read_text()
    for path in FILES:
        assert f"docker compose -f {path.name} up --wait" in readme
        for service in _services(path).values():
            assert all(f"http://{port.rpartition(':')[0]}" in readme for port in service["ports"])
    keys = _services(ROOT / "docker-compose.minio-elasticmq.yml")["minio"]["environment"]
    assert f"AWS_ACCESS_KEY_ID={keys['MINIO_ROOT_USER']} " in readme
    assert f"AWS_SECRET_ACCESS_KEY={keys['MINIO_ROOT_PASSWORD']}" in readme
