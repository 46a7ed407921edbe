"""Ctrl-C while a verb begins: raised as Python does, and remembered.

Python drops what is raised while it cleans up after an import or an object ("Exception ignored in …"), and with it a
KeyboardInterrupt. Code that installs signal handlers asks here first whether a signal has come already.
"""

import signal
import sys
from typing import NoReturn


class _Remembered:
    """A handler of signals that knows whether it was called."""

    def __init__(self) -> None:
        self.has_come = False

    def __call__(self, *_: object) -> NoReturn:
        self.has_come = True
        raise KeyboardInterrupt


def remember_interrupts() -> None:
    """From now on Ctrl-C is remembered; where a parent has it ignored, as nohup does, it stays ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _Remembered())
        sys.unraisablehook = _say_others


def was_interrupted() -> bool:
    """Whether Ctrl-C has come since, unless another handler has been installed."""
    handler = signal.getsignal(signal.SIGINT)
    return isinstance(handler, _Remembered) and handler.has_come


def _say_others(dropped: "sys.UnraisableHookArgs") -> None:
    if not issubclass(dropped.exc_type, KeyboardInterrupt):  # that one is not lost
        sys.__unraisablehook__(dropped)
