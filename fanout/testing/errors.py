"""How a run fails a test."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fanout.testing.result import RunResult


class RunNotCompletedError(AssertionError):
    """The run ended Failed or Canceled, or left steps out; the message holds the tracebacks of the user's own code."""

    def __init__(self, result: "RunResult") -> None:
        self.result = result
        super().__init__(result.explain())


class RunTimeoutError(AssertionError):
    """The run did not end in time and was stopped."""
