"""A process that carries a run out and outlives the one that asked for it: `fanout resume`, left to itself."""

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from fanout.advice import Commands

LAST_WORDS = 3000


class BackgroundProcess:
    """The process; it is in a session of its own, so that closing a terminal or a notebook does not end it."""

    def __init__(self, run: str, commands: Commands) -> None:
        descriptor, name = tempfile.mkstemp(prefix=f"fanout-{run}-", suffix=".log")
        self._log = Path(name)
        words = ["resume", run, *commands.options, *commands.queue, "--json"]
        with os.fdopen(descriptor, "wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter and our own options
                [sys.executable, "-P", "-m", "fanout", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd=commands.folder or None,
                start_new_session=True,
            )

    @property
    def is_alive(self) -> bool:
        """Whether it goes on; once it has ended well its log is removed."""
        code = self._process.poll()
        if code in (0, 1, 130):
            with contextlib.suppress(OSError):
                self._log.unlink()
        return code is None

    def why_it_ended(self, run: str) -> str:
        """A sentence about its end, for a run without a verdict."""
        code = self._process.returncode
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
        said = self._log.read_text(errors="replace")[-LAST_WORDS:].strip() if self._log.exists() else ""
        return f'the process that carried run {run} out {how}; fanout.open_run("{run}").resume() goes on with it' + (
            f"\n{said}" if said else ""
        )
