"""The problems of a pipeline file: one line each, and on a terminal the line they are about with a caret under it."""

from collections.abc import Iterator
from pathlib import Path

from fanout.cli.render.output import Paint
from fanout.errors import Place, Problem, SpecError
from fanout.formatting import many, printable

_OPTION = "--set "
WIDEST = 160


def problem_lines(error: SpecError, paint: Paint, *, with_source: bool) -> Iterator[str]:
    """Every problem in the form file:line:column: key: message, then how many there are."""
    for problem in error.problems:
        yield printable(str(problem))
        if with_source:
            yield from _source(problem, paint)
    if len(error.problems) > 1:
        yield paint.bad(many(len(error.problems), "problem"))


def _source(problem: Problem, paint: Paint) -> Iterator[str]:
    line = source_line(problem.place)
    if line is None or len(line) > WIDEST or printable(line) != line:  # a caret would stand beside its column
        return
    column = min(problem.place.column - 1, len(line))
    # A tab stays a tab, so that the caret stands where the eye expects it.
    margin = "".join("\t" if character == "\t" else " " for character in line[:column])
    yield f"    {line}"
    yield f"    {margin}{paint.bad('^')}"


def source_line(place: Place) -> str | None:
    """The line that a place is in; None when it cannot be read (any more)."""
    if place.file.startswith(_OPTION):
        return place.file.removeprefix(_OPTION)
    try:
        lines = Path(place.file).read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return lines[place.line - 1] if place.line <= len(lines) else None
