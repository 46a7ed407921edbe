"""Where a view writes: lines with or without colours. Drops them once the stream is closed."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours on a terminal, the text itself elsewhere."""

    on: bool = False

    def good(self, text: str) -> str:
        return self._styled(text, "green")

    def bad(self, text: str) -> str:
        return self._styled(text, "red")

    def warning(self, text: str) -> str:
        return self._styled(text, "yellow")

    def strong(self, text: str) -> str:
        return self._styled(text)

    def quiet(self, text: str) -> str:
        """What one may skip."""
        return self._styled(text, "bright_black", bold=False)

    def _styled(self, text: str, colour: str | None = None, *, bold: bool = True) -> str:
        if not self.on or not text:
            return text
        from typer import style

        return style(text, fg=colour, bold=bold or None)


@dataclass(slots=True)
class Console:
    """A stream of lines. A reader that has gone (`fanout run … | head`) never fails what is being shown."""

    stream: TextIO
    paint: Paint = Paint()
    gone: bool = False

    def line(self, text: str = "") -> None:
        """One line, visible at once."""
        if self.gone:
            return
        try:
            self.stream.write(f"{text}\n")
            self.stream.flush()
        except (OSError, ValueError):  # the reader has gone, the disk is full, or the stream was closed
            self.gone = True


def colours_wanted(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Colours belong on a terminal that has them, unless NO_COLOR (no-color.org) says otherwise."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def output_to(stream: TextIO, environ: Mapping[str, str] = os.environ) -> Console:
    """Lines to `stream`, coloured when it is a terminal that wants it."""
    return Console(stream, Paint(colours_wanted(stream, environ)))
