"""Servers that do not answer: commands that look say so at once and give up soon; runs say so and wait longer."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

LOOKS = (
    ("list",),
    ("status", "r"),
    ("failures", "r"),
    ("logs", "r"),
    ("trigger", "show", "armed.yml"),
    ("plan", "remote.yml"),
)
ARMED = "type: pipeline\ninputs: {files: {type: uri_folder}}\ntrigger: {bucket: a-bucket, input: files}\n"
STEP = """\
jobs:
  score:
    type: parallel
    inputs: {data: INPUT}
    input_data: ${{inputs.data}}
    task: {type: run_function, code: ./src, entry_script: score.py}
"""


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def lost(make: Any, tmp_path: Any, silent: str) -> Any:
    """A project whose store is behind that server."""
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": silent}
    project = make(tmp_path, 1, **keys)
    project.write("armed.yml", ARMED + STEP.replace("INPUT", "'${{parent.inputs.files}}'"))
    remote = "{type: uri_folder, path: 's3://data/in'}"
    project.write("remote.yml", "type: pipeline\n" + STEP.replace("INPUT", remote))
    return project


def test_commands_that_look_give_up_soon(lost: Any, silent: str) -> None:
    """Each says from the first second whom it waits for and how long, ends soon, and advises no resume."""
    begun = time.monotonic()
    started = [(look, lost.start(*look, "--store", "s3://x/y")) for look in LOOKS]
    for look, process in started:
        stdout, stderr = process.communicate(timeout=90)
        assert process.returncode == 3, (look, stdout, stderr)
        assert stderr.startswith(f"no answer from {silent}, trying again (1 s of 10)\n"), (look, stderr)
        assert "fanout resume" not in stderr, look
    assert time.monotonic() - begun < 60


def test_a_run_waits_as_long_as_before_and_says_so(lost: Any, silent: str) -> None:
    """Two minutes; it says the same."""
    process = lost.start("run", "pipeline.yml", "--store", "s3://x/y")
    line = process.stderr.readline()
    process.kill()
    process.communicate()
    assert line == f"no answer from {silent}, trying again (1 s of 120)\n"


def test_no_credentials_are_said_soon(make: Any, tmp_path: Any, silent: str) -> None:
    """Also where the metadata of an instance would be asked for them."""
    none = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "")
    project = make(tmp_path, 1, AWS_EC2_METADATA_SERVICE_ENDPOINT=silent, HOME=str(tmp_path), **none)
    begun = time.monotonic()
    ended = project.fanout("list", "--store", "s3://x/y")
    assert ended.code == 2, ended.said
    assert "no AWS credentials found: set AWS_ACCESS_KEY_ID" in ended.stderr
    assert time.monotonic() - begun < 30


def test_a_profile_that_is_not_there_is_the_users_mistake(make: Any, tmp_path: Any) -> None:
    """A sentence, not a traceback of botocore."""
    none = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "")
    ended = make(tmp_path, 1, AWS_PROFILE="nosuch", HOME=str(tmp_path), **none).fanout("list", "--store", "s3://x/y")
    assert (ended.code, ended.stderr) == (2, "AWS credentials: The config profile (nosuch) could not be found\n")


def test_data_that_does_not_answer_is_named(make: Any, tmp_path: Any, silent: str) -> None:
    """Not the store; the run that was begun can go on, with the command that is printed."""
    project = make(tmp_path, 1, FANOUT_PATIENCE="2")
    address = silent.replace("http:", "https:") + "/rows.csv"
    project.write("table/MLTable", f"paths: [{{file: '{address}'}}]\ntransformations: [read_delimited]\n")
    project.write("remote.yml", "type: pipeline\n" + STEP.replace("INPUT", "{type: mltable, path: ./table}"))
    ended = project.fanout("run", "remote.yml", "--name", "r")
    assert ended.code == 3, ended.said
    assert f"Check that the data at {address} can be reached.\ngo on with the run: fanout resume r\n" in ended.stderr
