"""Every command that a message recommends, composed in one place. Pure, except for `advised`, which holds the command
of this process.

A command has the options that it needs to find the run again from where the person is. A test runs each one in the
situation in which it is recommended (tests/e2e/cli/test_advice.py).
"""

import os
import shlex
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Commands:
    """`options` say where the runs are, when that is not where the command line looks by itself.

    `queue` is for verbs that work on the queue, too. `folder` is one to go to, "" when the current one will do.
    """

    options: tuple[str, ...] = ()
    queue: tuple[str, ...] = ()
    folder: str = ""

    def status(self, run: str) -> str:
        """Shows where a run stands."""
        return self._line("status", run)

    def attach(self, run: str) -> str:
        """Shows a run that another process carries out, to its end."""
        return self._line("attach", run)

    def list(self) -> str:
        """Shows the runs that there are."""
        return self._line("list")

    def resume(self, run: str, *, new_code: bool = False) -> str:
        """Goes on with a run that is not over."""
        return self._line("resume", run, *_code(new_code), *self.queue)

    def redrive(self, run: str, step: str = "", mini_batch: int | None = None, *, new_code: bool = False) -> str:
        """Does again what has not succeeded, or one mini-batch."""
        return self._line("redrive", run, *_which(step, mini_batch), *_code(new_code), *self.queue)

    def cancel(self, run: str) -> str:
        """Ends a run for good."""
        return self._line("cancel", run, *self.queue)

    def remove(self, run: str) -> str:
        """Removes a run that is over."""
        return self._line("rm", run, "--yes", *self.queue)

    def collect(self, older_than: str, keep: int) -> str:
        """Removes old runs and what no run needs."""
        return self._line("gc", "--older-than", older_than, "--keep", str(keep), "--yes", *self.queue)

    def run(self, file: str) -> str:
        """Starts another run of a pipeline file."""
        return self._line("run", self._file(file), *self.queue)

    def test(self, folder: str) -> str:
        """Runs the tests of a new project."""
        return shlex.join(("pytest", folder))

    def run_one(self, run: str, step: str, mini_batch: int) -> str:
        """Runs one mini-batch in front of one's eyes."""
        return self._line("run-one", run, str(mini_batch), "--step", step)

    def failures(self, run: str) -> str:
        """Shows all that failed."""
        return self._line("failures", run)

    def logs(self, run: str, step: str, node: int | None = None, process: str = "") -> str:
        """Shows what a step, one node or one process of it printed."""
        which = () if node is None else ("--node", str(node))
        return self._line("logs", run, "--step", step, *which, *(("--process", process) if process else ()))

    def watch(self, file: str, *, retry: bool = False) -> str:
        """Starts runs for what arrives; with `retry` also what was given up."""
        return self._line("watch", self._file(file), *(("--retry",) if retry else ()), *self.queue)

    def trigger(self, verb: str, file: str) -> str:
        """Sets or shows the notification of a trigger's bucket."""
        return self._line("trigger", verb, self._file(file))

    def deploy(self, file: str) -> str:
        """Brings a pipeline to AWS."""
        return self._line("deploy", self._file(file))

    def conda_python(self, version: str, file: str) -> str:
        """Makes a conda file ask for this Python."""
        change = rf's/^( *- *)[\x27"]?python *[=<>~!].*/\1python={version}/'
        return shlex.join(("sed", "-i", "-E", change, file))

    def add_asset(self, name: str, version: str | None, kind: str) -> str:
        """Registers what is at PATH."""
        which = ("--version", version) if version else ()
        return self._line("assets", "add", "PATH", "--kind", kind, "--name", name, *which)

    def destroy(self, name: str) -> str:
        """Removes a deployment."""
        return self._line("destroy", name)

    def _file(self, file: str) -> str:
        return os.path.abspath(file) if self.folder else file  # noqa: PTH100 - links stay

    def _line(self, *words: str) -> str:
        command = shlex.join(("fanout", *words, *self.options))
        return f"cd {shlex.quote(self.folder)} && {command}" if self.folder else command


_FROM_HERE: ContextVar[Callable[[], Commands]] = ContextVar("commands", default=Commands)


def advise_with(commands: Callable[[], Commands]) -> None:
    """From here on `advised` gives these: the command line knows with which options a run is found again."""
    _FROM_HERE.set(commands)


def advised() -> Commands:
    """The commands for messages of code that does not know how it was called."""
    return _FROM_HERE.get()()


def _code(new: bool) -> tuple[str, ...]:
    return ("--new-code",) if new else ()


def _which(step: str, mini_batch: int | None) -> tuple[str, ...]:
    return (*(("--step", step) if step else ()), *(() if mini_batch is None else ("--mini-batch", str(mini_batch))))
