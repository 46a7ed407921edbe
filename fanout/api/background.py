"""A process that carries a run out and outlives the one that asked for it: `fanout resume`, left to itself."""

import os
import subprocess
import sys
import weakref

from fanout.advice import Commands

LAST_WORDS = 3000
_BEGUN: list["subprocess.Popen[bytes]"] = []
"""Those that may go on: a handle that is dropped leaves its process alone, which is no mistake to warn of."""


class BackgroundProcess:
    """The process; it is in a session of its own, so that closing a terminal or a notebook does not end it."""

    def __init__(self, run: str, commands: Commands) -> None:
        self._said = os.memfd_create("fanout")  # a file without a name: none is left when no process waits for the run
        weakref.finalize(self, os.close, self._said)
        words = ["resume", run, *commands.options, *commands.queue, "--json"]
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter and our own options
            [sys.executable, "-P", "-m", "fanout", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            cwd=commands.folder or None,
            start_new_session=True,
        )
        _BEGUN[:] = [*(one for one in _BEGUN if one.poll() is None), self._process]

    @property
    def is_alive(self) -> bool:
        """Whether it goes on."""
        return self._process.poll() is None

    def why_it_ended(self, run: str) -> str:
        """A sentence about its end, for a run without a verdict."""
        code = self._process.returncode
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
        size = os.fstat(self._said).st_size
        said = os.pread(self._said, LAST_WORDS, max(0, size - LAST_WORDS)).decode(errors="replace").strip()
        return f'the process that carried run {run} out {how}; fanout.open_run("{run}").resume() goes on with it' + (
            f"\n{said}" if said else ""
        )
