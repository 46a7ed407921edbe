"""One mini-batch in front of one's eyes: what `fanout run-one` says around what the script prints. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fanout.cli.render.output import Paint
from fanout.cli.render.run.failures import MOST_ITEMS
from fanout.errors import EntryScriptError
from fanout.formatting import duration, indented, many, printable
from fanout.node.single import Prepared, Returned
from fanout.queries.failures import items_of
from fanout.reports.failure_groups import StepSource
from fanout.slot.child.entry_script import user_traceback

MOST_ROWS = 5
LONGEST_ROW = 200
_INDENT = "  "


def before(prepared: Prepared, source: StepSource, code: str, paint: Paint) -> Iterator[str]:
    """What is going to be run, on what."""
    batch = prepared.planned
    items = items_of(batch)
    more = f" and {len(items) - MOST_ITEMS} more" if len(items) > MOST_ITEMS else ""
    yield (
        f"{paint.strong(f'{source.run}, step {source.step}, mini-batch {batch.index}')}: "
        + "; ".join(items[:MOST_ITEMS])
        + more
    )
    yield paint.quiet(f"{_INDENT}code: {code}")


def after(returned: Returned, paint: Paint) -> Iterator[str]:
    """What run() has returned."""
    kind = type(returned.value).__name__
    rows = f", {many(returned.rows, 'row')} of the output" if returned.rows else ""
    took = f"reading took {duration(returned.load_seconds)}, run() {duration(returned.run_seconds)}"
    yield paint.good(f"run() returned a {kind} of {many(returned.items, 'element')}{rows}; {took}")
    yield indented("\n".join(_shown(returned.value)), _INDENT)


def failed(error: BaseException, phase: str, source: StepSource, paint: Paint) -> Iterator[str]:
    """What the script has raised, with its own lines only."""
    yield paint.bad(f"failed in {phase}:")
    if isinstance(error, EntryScriptError):
        yield f"{_INDENT}{printable(str(error))}"
    else:
        yield printable(indented(source.restore(user_traceback(error)), _INDENT))


def interrupted(stop: KeyboardInterrupt, phase: str, source: StepSource, paint: Paint) -> Iterator[str]:
    """Where the script was when Ctrl-C came: of one that hangs, where it hangs."""
    yield paint.warning(f"interrupted in {phase}:")
    yield printable(indented(source.restore(user_traceback(stop)), _INDENT))


def left(files: Sequence[Path], folder: Path) -> Iterator[str]:
    """Where the files are that the script has written."""
    if files:
        yield f"the script wrote {many(len(files), 'file')}, kept in {folder}"
        yield from (f"{_INDENT}{path.relative_to(folder)}" for path in files[:MOST_ITEMS])
        if len(files) > MOST_ITEMS:
            yield f"{_INDENT}and {len(files) - MOST_ITEMS} more"
    yield "nothing of the run was changed"


def _shown(value: Any) -> Iterator[str]:
    """The first few elements: a DataFrame as a table, a mapping as its pairs, others one a line."""
    if hasattr(value, "to_string") and hasattr(value, "head"):
        yield str(value.head(MOST_ROWS).to_string())
    else:
        for element in value[:MOST_ROWS]:
            text = str(dict(element)) if isinstance(element, Mapping) else str(element)
            yield text if len(text) <= LONGEST_ROW else f"{text[:LONGEST_ROW]}…"
    if len(value) > MOST_ROWS:
        yield f"and {len(value) - MOST_ROWS:,} more"
