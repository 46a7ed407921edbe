"""The commands that a view names: ready to be copied, with the options that they need to find the run. Pure."""

import os
import shlex
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
        return self._line("status", run)

    def resume(self, run: str, *, new_code: bool = False) -> str:
        """Goes on with a run that is not over."""
        return self._line("resume", run, *_code(new_code), *self.queue)

    def redrive(self, run: str, step: str = "", mini_batch: int | None = None, *, new_code: bool = False) -> str:
        """Does again what has not succeeded, or one mini-batch."""
        return self._line("redrive", run, *_which(step, mini_batch), *_code(new_code), *self.queue)

    def run(self, file: str) -> str:
        """Starts another run of a pipeline file."""
        return self._line("run", os.path.abspath(file) if self.folder else file, *self.queue)  # noqa: PTH100 - links stay

    def run_one(self, run: str, step: str, mini_batch: int) -> str:
        """Runs one mini-batch in front of one's eyes."""
        return self._line("run-one", run, str(mini_batch), "--step", step)

    def failures(self, run: str) -> str:
        return self._line("failures", run)

    def logs(self, run: str, step: str, node: int | None = None, process: str = "") -> str:
        """Shows what a step, one node or one process of it printed."""
        which = () if node is None else ("--node", str(node))
        return self._line("logs", run, "--step", step, *which, *(("--process", process) if process else ()))

    def _line(self, *words: str) -> str:
        command = shlex.join(("fanout", *words, *self.options))
        return f"cd {shlex.quote(self.folder)} && {command}" if self.folder else command


def _code(new: bool) -> tuple[str, ...]:
    return ("--new-code",) if new else ()


def _which(step: str, mini_batch: int | None) -> tuple[str, ...]:
    return (*(("--step", step) if step else ()), *(() if mini_batch is None else ("--mini-batch", str(mini_batch))))
