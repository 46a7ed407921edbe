"""Makes and carries out the run that calls a function: its code and items in place, its mini-batches measured."""

import contextlib
import importlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fanout.api import context
from fanout.api.calls import TICK, call, running
from fanout.api.functions.code import FunctionCall, name_of, write_code
from fanout.api.functions.items import Items
from fanout.api.functions.job import Options, document, is_json, load_job
from fanout.api.functions.probe import MOST, PARTS, measure, size_for, slots_here
from fanout.api.functions.row_stream import Batch, RowStream
from fanout.api.functions.sources import source_of
from fanout.api.progress import Board, BoardObserver, drawn
from fanout.api.run import Run, carry_out
from fanout.api.where import Where
from fanout.config.settings import Settings
from fanout.engines.node_process import WarmNode
from fanout.errors import InputError
from fanout.records.run_names import new_name
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.tasks import beside

if TYPE_CHECKING:
    from fanout.pipeline.model import Pipeline
    from fanout.scheduler.observer import RunReport

MOST_AT_ONCE = 1000
"""Default number of items of a mini-batch, for functions that take whole mini-batches."""


@dataclass(frozen=True, slots=True)
class Job:
    """A run that is ready to start: all that it needs but its code is in the store."""

    name: str
    step: str
    pipeline: "Pipeline"
    settings: Settings
    where: Where
    items: Items | None
    size: int
    rows: tuple[Any, ...]  # of the first items
    board: Board
    warm: WarmNode | None

    def run(self, progress: bool | None) -> Run:
        """Carries it out to its end."""
        from fanout.scheduler.resident import start

        carry_out(
            lambda run_context, see: start(self.pipeline, run_context, see, self.name),
            self.settings,
            progress,
            self.warm,
            self.board,
        )
        return Run(self.name, self.settings)

    def stream(self, progress: bool | None, *, errors: bool, ordered: bool) -> Iterator[Batch]:
        """Carries it out, and gives positions of items with their rows as they come; at the end, its end."""
        from fanout.results.reader import ResultReader
        from fanout.scheduler.resident import start

        at = StepRound(self.name, self.step, 1)
        stream = RowStream(at, self.size, len(self.items or ()), errors, self.step, ordered)
        if self.rows:
            yield 0, self.rows
            stream.skip(len(self.rows))

        async def begin() -> "RunReport":
            async with context.run_context_of(
                self.settings, self.warm, print_line=self.board.notices.append
            ) as run_context:
                async with beside(stream.follow(run_context), "reading rows"):
                    report = await start(self.pipeline, run_context, BoardObserver(self.board), self.name)
                await stream.finish(run_context.store, ResultReader(run_context.store, at))
                return report

        with (
            drawn(self.board, progress) as tick,
            running(begin) as carried,
        ):
            while not (carried.done and stream.is_empty):
                if (batch := stream.take(TICK)) is not None:
                    yield batch
                tick()
            carried.result()


@contextlib.contextmanager
def prepared(
    function: FunctionCall,
    over: Any,
    options: Options,
    output: str | None,
    name: str | None,
    where: Where,
    *,
    here: bool = True,
) -> Iterator[Job]:
    """The job, while its staging folder is there; InputError and SpecError for what cannot be.

    `here`: this process will carry it out. Its first node begins to start up while items are measured.
    """
    settings = context.settings_of(Path.cwd(), where)
    folder = Path(tempfile.mkdtemp(prefix="fanout-function-"))
    with contextlib.ExitStack() as at_the_end:
        at_the_end.callback(shutil.rmtree, folder, ignore_errors=True)

        def node(*, tables: bool) -> WarmNode | None:
            if not here:
                return None
            made = WarmNode(context.access_of(settings).child_environ(), tables=tables)
            at_the_end.callback(made.dismiss)
            return made

        yield _prepare(function, over, options, output, new_name(name), where, settings, folder, node)


def _prepare(
    function: FunctionCall,
    over: Any,
    options: Options,
    output: str | None,
    name: str,
    where: Where,
    settings: Settings,
    folder: Path,
    node: Callable[..., WarmNode | None],
) -> Job:
    given, code, board = folder / "given", folder / "code", Board()
    given.mkdir()
    source, items = source_of(over, given, lambda file: f"{settings.store.rstrip('/')}/{keys.given(name, file)}")
    warm = node(tables=source.kind == "table")
    function = replace(function, items=source.kind, json=is_json(output))
    write_code(code, function)
    rows: tuple[Any, ...] = ()
    if items is not None:
        options, rows = _sized(function, items, options, code)
        if items.pickled:
            board.notices.append(
                f"{items.pickled:,} items are no JSON values; they are sent as cloudpickle writes them"
            )
    elif options.mini_batch_rows is None and function.per_item and source.kind == "files":
        options = replace(options, mini_batch_size=options.mini_batch_size or 1)
    step = name_of(function.function)
    call(lambda: _store(given, name, settings))
    pipeline = load_job(folder, document(step, source, options, absolute(output)))
    size = int(options.mini_batch_size or 1) if items is not None else 0
    return Job(name, step, pipeline, settings, where, items, size, rows, board, warm)


def _sized(function: FunctionCall, items: Items, options: Options, code: Path) -> tuple[Options, tuple[Any, ...]]:
    """With the number of items of a mini-batch, and the rows of those that were computed to find it."""
    if not len(items):
        raise InputError("there is no item to call the function with")
    if options.mini_batch_size is not None:
        if not str(options.mini_batch_size).isdecimal() or int(options.mini_batch_size) < 1:
            raise InputError(f"mini_batch_size={options.mini_batch_size!r}: expected a number of items, at least 1")
        return options, ()
    slots = (options.max_concurrency_per_instance or slots_here()) * options.nodes
    if not function.per_item:
        size = max(1, min(MOST_AT_ONCE, ceil(len(items) / (PARTS * slots))))
        return replace(options, mini_batch_size=size), ()
    found = measure(code, items.lines(MOST), options.environment_variables, _import_the_rest)
    rows = found.rows if function.json else []
    items.add_rows(rows)
    return replace(options, mini_batch_size=size_for(len(items), found.seconds, slots)), tuple(rows)


def _import_the_rest() -> None:
    """What the run will need is imported while there is nothing else to do."""
    for module in ("fanout.pipeline.load", "fanout.scheduler.resident"):
        importlib.import_module(module)


def absolute(output: str | None) -> str | None:
    """The place of an output; a path of this machine is counted from the current folder."""
    if output is None or "://" in output or output.startswith("azureml:"):
        return output
    return str(Path(output).expanduser().absolute())


async def _store(given: Path, run: str, settings: Settings) -> None:
    """What the run works on is in the store."""
    from fanout.files.transfer import upload_file
    from fanout.storage.open import ensure_bucket, open_store

    access = context.access_of(settings)
    store = open_store(settings.store, access)
    await ensure_bucket(settings.store, access)
    for file in sorted(given.iterdir()):
        await upload_file(file, store, keys.given(run, file.name))
