"""The fanout.toml that README.md shows, typed in: each of its profiles leads where README.md says."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fanout.config.settings import load_settings

README = (Path(__file__).parents[3] / "README.md").read_text()
[PROFILES] = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
KEYS = dict(re.findall(r"(AWS_\w+)=([\w-]+)", next(line for line in README.splitlines() if "export AWS_" in line)))
SHOWN = {
    "localstack": "http://127.0.0.1:4566",
    "minio": "http://127.0.0.1:9000",
    "elasticmq": "http://127.0.0.1:9324",
}


def _profile(name: str, *servers: str) -> Any:
    return pytest.param(name, servers, id=name, marks=[getattr(pytest.mark, server) for server in servers])


@pytest.mark.parametrize(
    ("profile", "servers"),
    [_profile("localstack", "localstack"), _profile("minio", "minio", "elasticmq"), _profile("bucket", "minio")],
)
def test_run_with_a_profile_of_the_readme(
    request: pytest.FixtureRequest, project: Any, expected: Callable[[], bytes], profile: str, servers: tuple[str, ...]
) -> None:
    """Only the ports differ from what README.md shows; the run is on that server and nowhere else."""
    text = PROFILES
    for server in servers:
        text = text.replace(SHOWN[server], request.getfixturevalue(f"{server}_endpoint"))
    project.write("fanout.toml", text)
    project = replace(project, environ=KEYS)
    ended = project.fanout("run", "pipeline.yml", "--profile", profile, "--name", f"readme-{profile}")
    assert ended.code == 0, ended.said
    assert project.output() == expected()
    assert not (project.folder / ".fanout").exists()
    found = project.fanout("status", f"readme-{profile}", "--profile", profile)
    assert found.code == 0, found.said
    assert "Completed" in found.said


def test_the_examples_have_the_same_profiles() -> None:
    """What README.md tells one to type works for them, too."""
    examples = Path(__file__).parents[3] / "examples/fanout.toml"
    assert examples.read_text().endswith(PROFILES)


def test_profile_of_aws_leads_to_aws(tmp_path: Path) -> None:
    """No endpoint but AWS's own, and a queue that follows from the store."""
    (tmp_path / "fanout.toml").write_text(PROFILES)
    settings = load_settings(tmp_path, "aws", {})
    assert (settings.store, settings.region, settings.queue) == ("s3://my-bucket/fanout", "eu-central-1", None)
    assert settings.endpoint("s3") is settings.endpoint("sqs") is None
