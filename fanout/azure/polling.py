"""What Azure's long operations return: here they are over when they return."""

from typing import Generic, TypeVar

T = TypeVar("T")


class Finished(Generic[T]):
    """An operation that is over; has the methods of `azure.core.polling.LROPoller`."""

    def __init__(self, value: T) -> None:
        self._value = value

    def result(self, timeout: float | None = None) -> T:  # noqa: ARG002 - as Azure's
        """What the operation made."""
        return self._value

    def wait(self, timeout: float | None = None) -> None:
        """Returns at once."""

    def done(self) -> bool:
        """True."""
        return True

    def status(self) -> str:
        """`Succeeded`."""
        return "Succeeded"
