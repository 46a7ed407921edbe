"""A server that goes away in mid-run and comes back, with what it had or without: the same output, byte for byte."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import servers


@pytest.mark.minio
@pytest.mark.usefixtures("minio_endpoint")  # skips where MinIO is not installed
def test_store_that_is_away_for_a_moment(project: Any, tmp_path: Path, expected: Callable[[], bytes]) -> None:
    """S3 refuses every connection until it is back: requests are tried again, and the run completes by itself."""
    folder, port = tmp_path / "minio", servers.free_port()
    project.write("fanout.toml", 'visibility = 3\nstore = "s3://runs/here"\nqueue = "sqlite:./queues"\n')
    with ExitStack() as server:
        project = replace(project, environ=servers.aws_environ(server.enter_context(servers.minio(folder, port))))
        project.hold_after(9)
        process = project.start("run", "pipeline.yml")
        project.wait_for_attempts(10, process)
        server.close()
        project.let_go()
        server.enter_context(servers.minio(folder, port))
        stdout, stderr = process.communicate(timeout=90)
    assert process.returncode == 0, stdout + stderr
    assert project.output() == expected()


@pytest.mark.elasticmq
@pytest.mark.usefixtures("elasticmq_endpoint")  # skips where ElasticMQ is not installed
def test_queue_that_forgets_everything(project: Any, tmp_path: Path, expected: Callable[[], bytes]) -> None:
    """ElasticMQ comes back without queues and messages: the run says so, makes its queues anew, and completes."""
    port = servers.free_port()
    project.write("fanout.toml", 'visibility = 3\nqueue = "sqs:"\n')
    with ExitStack() as server:
        endpoint = server.enter_context(servers.elasticmq(tmp_path / "before", port))
        project = replace(project, environ=servers.aws_environ(endpoint))
        project.hold_after(9)
        process = project.start("run", "pipeline.yml", "--name", "first")
        project.wait_for_attempts(10, process)
        server.close()
        project.let_go()
        server.enter_context(servers.elasticmq(tmp_path / "after", port))
        stdout, stderr = process.communicate(timeout=90)
    assert process.returncode == 0, stdout + stderr
    assert "its queue was removed by another process" in stdout + stderr
    assert project.output() == expected()
