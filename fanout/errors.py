"""Every error fanout raises on purpose, and the exit code that goes with its branch.

    FanoutError
    ├── UserError                 what was asked for cannot be done; nothing was started        exit 2
    │   ├── SpecError             the pipeline file: every problem found, each with its place
    │   ├── SettingsError         fanout.toml, a profile, an option, an environment variable
    │   ├── InputError            input data that is missing or cannot be read
    │   ├── MissingExtraError     an optional library is not installed
    │   └── RunError              no such run or step, or it is in a state that forbids the verb
    ├── RunFailed                 from Python: a run did not complete, and its caller asked for its rows       exit 1
    ├── EntryScriptError          the user's script broke the contract (inside a slot)           recorded
    └── InfrastructureError       store, queue or machine did not do what we need               exit 3
        ├── StoreError
        │   └── DiskFullError     a file system of this machine has no room left
        ├── TimeIsOverError       a function has to answer before it has come to the end; it is invoked again
        ├── EngineError           an engine did not place, show or remove nodes
        ├── QueueError
        │   ├── QueueGoneError    it was removed: the step is over, or another supervisor took a new one
        │   └── QueueFullError    the file system of its file has no room left
        ├── DamagedRecordError    a stored record is truncated, altered or of another version
        │   └── ForgedMessageError  a message without a valid signature
        └── EventError            a message that should tell of objects, and does not

Anything else that escapes is a bug of ours: exit 3 too, with a traceback.
A run that ends Failed (exit 1) or Canceled (exit 130) is a verdict, not an exception; `raise_for_status` of the Python
API and calls that return rows make one of it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from fanout.backports import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

DISTRIBUTION = "fanout-jobs"
"""What pip installs; the package and the command are called `fanout`, which on PyPI is another distribution."""


class ExitCode(IntEnum):
    """What `fanout` tells the shell (design, section "What a run shows")."""

    COMPLETED = 0
    FAILED = 1
    USAGE = 2
    INTERNAL = 3
    CANCELED = 130


class FanoutError(Exception):
    """The root: a sentence for the user, never a traceback alone."""


class UserError(FanoutError):
    """What was asked for cannot be done; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a text file something stands; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a file: where, under which key, what was found, what would be right."""

    place: Place
    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.key}: {self.message}" if self.key else f"{self.place}: {self.message}"


class SpecError(UserError):
    """A pipeline file with problems: all of them, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.place.file, p.place.line, p.place.column)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class SettingsError(UserError):
    """fanout.toml, a profile, an option or an environment variable."""


class InputError(UserError):
    """Input data that is missing or cannot be read."""


class MissingExtraError(UserError):
    """An optional library is needed and not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs a library that is not installed; run: pip install '{DISTRIBUTION}[{extra}]'")


class RunError(UserError):
    """No such run or step, or it is in a state that forbids what was asked."""


class RunFailed(FanoutError):  # noqa: N818 - the name that users know from other libraries
    """A run ended Failed or Canceled; `run` is its name, and the cause is the script's own traceback, where it has one.

    The message says why the run ended so, and which command shows all that failed.
    """

    def __init__(self, message: str, run: str = "") -> None:
        super().__init__(message)
        self.run = run

    def __reduce__(self) -> tuple[type[RunFailed], tuple[str, str]]:
        return type(self), (str(self), self.run)


class ScriptError(FanoutError):
    """What a script or function raised in another process: its traceback, as text."""


class EntryScriptError(FanoutError):
    """The entry script broke its contract; recorded as the reason of a failed attempt."""


class InfrastructureError(FanoutError):
    """Store, queue or machine did not do what fanout needs."""


class StoreError(InfrastructureError):
    """An object could not be read or written."""


class DiskFullError(StoreError):
    """A file system of this machine has no room left."""


class TimeIsOverError(InfrastructureError):
    """A function has to answer before it has come to the end of its task; the next invocation goes on."""


class QueueError(InfrastructureError):
    """The queue refused or lost something."""


class QueueGoneError(QueueError):
    """The queue was removed: the step is over, or another supervisor took a new one."""


class QueueFullError(QueueError):
    """The file system of the queue's file has no room left."""


class EngineError(InfrastructureError):
    """An engine did not place, show or remove nodes; it may do so later."""


class DamagedRecordError(InfrastructureError):
    """A stored record is truncated, altered or of another version; the message names its key."""


class ForgedMessageError(DamagedRecordError):
    """A message without a valid signature: its sender cannot read the store."""


class EventError(InfrastructureError):
    """A message that should tell of objects, and tells of none that could be."""
