"""Errors that nobody waits for any more fail the test that they belong to.

asyncio only logs that a task's exception was never retrieved, when the garbage collector finds the task: in a later
test, or in the middle of one. So garbage is collected after each test, and what asyncio logged meanwhile is an error.
pytest does the same with exceptions of threads and of finalizers; `filterwarnings` makes errors of these.
"""

import gc
import logging
from collections.abc import Generator

import pytest


class _Kept(logging.Handler):
    """Keeps what asyncio logs as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []
        self._format = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self._format.format(record))


_kept = pytest.StashKey[_Kept]()


def pytest_collection_finish() -> None:
    """What is imported by now is looked at once, and not after each test."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """From the first fixture to the last."""
    kept = item.stash[_kept] = _Kept()
    logger = logging.getLogger("asyncio")
    logger.addHandler(kept)
    try:
        return (yield)
    finally:
        logger.removeHandler(kept)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    """Tasks that the test has left behind are found while it is still this test's turn."""
    try:
        yield
    finally:
        gc.collect()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """The test fails, after its fixtures were taken down, when something was logged."""
    yield
    if texts := item.stash[_kept].texts:
        pytest.fail("errors that nobody waited for:\n" + "\n".join(texts), pytrace=False)
