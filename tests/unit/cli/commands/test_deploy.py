"""`fanout deploy` refuses what cannot be, before it asks AWS for anything, and prints what it is asked to print."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REMOTE = """\
type: pipeline
inputs:
  x: {type: uri_folder, path: s3://data/in}
jobs:
  one:
    command: ls ${{inputs.x}}
    inputs: {x: "${{parent.inputs.x}}"}
"""
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


@pytest.fixture
def moto(moto_endpoint: str, aws_environ: Callable[[str], dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line is led to a moto server, and there is no terminal."""
    for name, value in aws_environ(moto_endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdin", io.StringIO())


@pytest.mark.moto
def test_no_manifests_for_a_run_that_is_not_there(fanout: Callable[..., Any], pipeline: Path, moto: None) -> None:
    """Nor for one that pods could not work on; nothing is printed for kubectl."""
    store = ("--store", f"s3://manifests-{os.getpid()}/prefix")
    ran = fanout("run", str(pipeline), *store, "--name", "ended")
    assert ran.code == 0, ran.err
    lent = ("deploy", str(pipeline), *store, *IMAGE, "--to", "kubernetes", "--run")
    for run, said in (("nosuch", "no run named nosuch"), ("ended", "run ended is over, and has no work for nodes")):
        ended = fanout(*lent, run)
        assert (ended.code, ended.out) == (2, "")
        assert said in ended.err


@pytest.mark.moto
@pytest.mark.parametrize("verb", ["deploy", "destroy"])
def test_without_a_terminal_nothing_is_done_and_that_is_no_success(
    fanout: Callable[..., Any], folder: Path, moto: None, verb: str
) -> None:
    """Exit code 2, and the option to add; what would change was shown."""
    (folder / "pipeline.yml").write_text(REMOTE)
    store = ("--store", f"s3://unasked-{os.getpid()}/prefix")
    deploy = ("deploy", "pipeline.yml", *store, *IMAGE, "--name", "unasked")
    arguments = deploy if verb == "deploy" else ("destroy", "unasked", *store)
    if verb == "destroy":
        assert fanout(*deploy, "--yes").code == 0
    ended = fanout(*arguments)
    assert ended.code == 2, ended.out + ended.err
    assert f"{verb} asks before it changes anything, and there is no terminal to ask at: add --yes" in ended.err
    assert "nothing was" in ended.out
    assert fanout(*arguments, "--dry-run").code == 0
    if verb == "destroy":
        assert fanout(*arguments, "--data", "--yes").code == 0


@pytest.mark.parametrize(
    ("image", "noted"), [("registry/fanout:1", True), (f"registry/fanout@sha256:{'0' * 64}", False)]
)
def test_a_tag_is_noted(fanout: Callable[..., Any], folder: Path, image: str, noted: bool) -> None:
    """An image by digest is the one that was tried; the template itself is printed all the same."""
    (folder / "pipeline.yml").write_text(REMOTE)
    ended = fanout("deploy", "pipeline.yml", *STORE, "--image", image, "--name", "x", "--render")
    assert ended.code == 0, ended.err
    assert ("names a tag" in ended.err) is noted
    assert image in ended.out
