"""`fanout deploy` refuses what cannot be, before it asks AWS for anything, and prints what it is asked to print."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

STORE = ("--store", "s3://bucket/prefix")
IMAGE = ("--image", "registry/fanout:1")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (IMAGE, "--store: a deployment works on s3://bucket/prefix, not in "),
        ((*STORE, *IMAGE, "--run", "r"), "--run and --step are for nodes in a cluster: add --to kubernetes"),
        ((*STORE, "--render"), "--image: name the image"),
        ((*STORE, *IMAGE, "--render", "--parameter", "LogDays"), "--parameter LogDays: expected a name, '='"),
        ((*STORE, *IMAGE, "--name", "a_b"), "--name: expected up to 40 letters"),
        ((*STORE, *IMAGE, "--to", "kubernetes", "--run", "r"), "region: say it in fanout.toml or in AWS_REGION"),
    ],
)
def test_refused_with_what_would_be_right(
    fanout: Callable[..., Any],
    pipeline: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    said: str,
) -> None:
    """Exit code 2, and the option that would mend it."""
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(variable, raising=False)
    ended = fanout("deploy", str(pipeline), *options)
    assert ended.code == 2
    assert said in ended.err


def test_manifests_for_a_run(fanout: Callable[..., Any], pipeline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ready for kubectl, without keys."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASECRET")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    ended = fanout("deploy", str(pipeline), *STORE, *IMAGE, "--to", "kubernetes", "--run", "r", "--workers", "3")
    assert ended.code == 0, ended.err
    job = yaml.safe_load(ended.out)
    assert (job["kind"], job["spec"]["parallelism"]) == ("Job", 3)
    assert "SECRET" not in ended.out
    assert "very-secret" not in ended.out
