"""The pytest plugin, loaded by pytest wherever fanout is installed: three fixtures, and nothing until one is asked for.

def test_scores(fanout_run):
    result = fanout_run("pipeline.yml", inputs={"images": "data/images"})
    assert result.dataframe()["score"].between(0, 1).all()
"""

from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fanout.testing import FanoutRun, RunResult, Servers


@pytest.fixture(scope="session")
def _fanout_start_servers() -> "Iterator[Callable[[], Servers]]":
    """Starts the servers when first called; they end with the session."""
    with ExitStack() as stack:

        @cache
        def start() -> "Servers":
            from fanout.testing.servers import moto_server

            return stack.enter_context(moto_server())

        yield start


@pytest.fixture(scope="session")
def fanout_servers(_fanout_start_servers: "Callable[[], Servers]") -> "Servers":
    """S3 and SQS of this session, on loopback: `endpoint_url`, `environ`, and `put` to place input data."""
    return _fanout_start_servers()


@pytest.fixture(scope="session")
def fanout_run_from(
    _fanout_start_servers: "Callable[[], Servers]", tmp_path_factory: pytest.TempPathFactory
) -> "Callable[[Path], FanoutRun]":
    """For fixtures of a module or the session: `fanout_run_from(folder)` runs pipelines as `fanout_run` does.

    Relative paths start from `folder`.
    """
    from fanout.testing import FanoutRun

    return lambda folder: FanoutRun(folder, lambda: tmp_path_factory.mktemp("fanout-run"), _fanout_start_servers)


@pytest.fixture
def fanout_run(request: pytest.FixtureRequest, fanout_run_from: "Callable[[Path], FanoutRun]") -> "FanoutRun":
    """`fanout_run("pipeline.yml", inputs={…})` runs a pipeline and returns how it ended; see docs/testing.md.

    Relative paths start from the folder of the test file. A test that fails shows the runs it has made.
    """
    from dataclasses import replace

    def on_result(result: "RunResult") -> None:
        request.node.add_report_section("call", "fanout run", f"{result.explain()}\nstore: {result.store}\n")

    return replace(fanout_run_from(request.path.parent), on_result=on_result)
