"""What a command prints, line by line while it runs: bounded, and without the credentials of its environment."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from fanout.security.redaction import redact

LOOK_EVERY = 0.3
MOST_LINES = 20
"""Lines that are passed on at one look; of more the last ones are, and how many were left out."""
LONGEST_LINE = 500
CHUNK = 256 * 1024
"""Bytes that one look reads at most; what came before them is left out."""

OnLine = Callable[[str], None]


class Printed:
    """Passes on what has been added to a log file since it was last asked."""

    def __init__(self, log: Path, secrets: Sequence[str], on_line: OnLine) -> None:
        self._log, self._on_line = log, on_line
        # A line of a credential that has several must not be shown alone.
        self._secrets = (*secrets, *(line for one in secrets for line in one.splitlines() if len(line.strip()) >= 8))
        self._at = 0
        self._begun = b""  # a line without an end so far

    async def follow(self) -> None:
        """Until it is canceled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self._look()

    def end(self) -> None:
        """The rest, when nothing more is printed."""
        self._look()
        if self._begun:
            self._show([self._begun], 0)
            self._begun = b""

    def _look(self) -> None:
        try:
            with self._log.open("rb") as file:
                size = file.seek(0, 2)
                left_out = max(0, size - self._at - CHUNK)
                file.seek(self._at + left_out)
                new = file.read(CHUNK)
        except OSError:
            return  # it has not begun
        self._at += left_out + len(new)
        first, *rest = new.split(b"\n")
        lines = [*([] if left_out else [self._begun + first]), *rest]
        self._begun = lines.pop()[:CHUNK] if lines else b""
        skipped = max(0, len(lines) - MOST_LINES)
        if lines or left_out:
            self._show(lines[skipped:], skipped, more=left_out > 0)

    def _show(self, lines: Sequence[bytes], skipped: int, *, more: bool = False) -> None:
        if skipped or more:
            self._on_line(f"… {'more than ' if more else ''}{skipped} lines left out; the log has them …")
        for line in lines:
            # Of a progress bar, which begins its line again and again, the last state.
            text = line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace")
            text = redact(text, self._secrets)
            self._on_line(text if len(text) <= LONGEST_LINE else f"{text[:LONGEST_LINE]}…")
