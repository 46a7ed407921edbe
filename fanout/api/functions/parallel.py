"""Functions instead of files: `parallel`, `map`, `imap`."""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import fields, replace
from os import PathLike
from typing import Any, Generic, TypeAlias, TypeVar, overload

from fanout.api.functions.code import FunctionCall
from fanout.api.functions.job import Options
from fanout.api.functions.prepared import Job, prepared
from fanout.api.run import Run
from fanout.api.where import Where
from fanout.errors import ScriptError

Over: TypeAlias = str | PathLike[str] | Iterable[Any]
"""What a function is called over; a DataFrame or a table can be iterated, too."""
T = TypeVar("T")
B = TypeVar("B")
R = TypeVar("R")


def map(  # noqa: A001 - the name that everybody looks for
    function: Callable[[T], R],
    items: "Iterable[T] | str | PathLike[str]",
    *,
    return_exceptions: bool = False,
    progress: bool | None = None,
    init: Callable[[], object] | None = None,
    name: str | None = None,
    store: str | None = None,
    queue: str | None = None,
    profile: str | None = None,
    **options: Any,
) -> list[R]:
    """What `function(item)` returns of each item, in the order of the items.

    `function` may be any that can be imported or that cloudpickle takes: of a notebook, of a script without a
    `__main__` guard, a lambda. It returns JSON values: numbers, texts, lists, dicts, None; numpy's numbers and arrays
    come back as Python's, times as ISO 8601, NaN as None. A tuple comes back as a list.

    `items` are JSON values, paths, or anything else that cloudpickle takes; any iterable; or a text that names files:
    a folder or a pattern with `*`, whose files the function gets as `Path`; or a DataFrame, whose rows are dicts then.
    `options` are the words of a parallel step, as of `parallel`; left out, `mini_batch_size` is chosen so that a
    mini-batch takes about a second.

    RunFailed when an item failed after its tries; with `return_exceptions` the list holds a ScriptError in its place.
    Killed in the middle, `fanout.open_run(name).resume()` goes on. InputError for items or functions that cannot be
    sent to other processes.
    """
    made = _Function(function, _options(options, isolate_failures=True), init, per_item=True)
    rows: list[R] = made.rows(items, Where(store, queue, profile), name, progress, return_exceptions=return_exceptions)
    return rows


def imap(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    ordered: bool = True,
    return_exceptions: bool = False,
    progress: bool | None = None,
    init: Callable[[], object] | None = None,
    name: str | None = None,
    store: str | None = None,
    queue: str | None = None,
    profile: str | None = None,
    **options: Any,
) -> Iterator[tuple[T, R]]:
    """Each item with what `function(item)` returns of it, as results come, long before the end of the run.

    In the order of the items, or with `ordered=False` in that in which they are done. Arguments are those of `map`.
    RunFailed at the end when an item failed; with `return_exceptions` a ScriptError comes in the place of its result.
    A loop that is left ends the run, so that `resume` goes on with it.
    """
    made = _Function(function, _options(options, isolate_failures=True), init, per_item=True)
    where = Where(store, queue, profile)
    return made.pairs(items, where, name, progress, ordered=ordered, return_exceptions=return_exceptions)


class ParallelFunction(Generic[B, R]):
    """A function of a mini-batch that runs over any amount of data; called as it is, it is the function itself."""

    def __init__(
        self, function: Callable[[B], Iterable[R]], options: Options, init: Callable[[], object] | None
    ) -> None:
        self.__fanout_function__ = function
        self._made = _Function(function, options, init, per_item=False)
        functools.update_wrapper(self, function, updated=())

    def __call__(self, mini_batch: B) -> Iterable[R]:
        """The function itself, in this process; of a class, an instance of it is made and entered."""
        function: Any = self.__fanout_function__
        if not isinstance(function, type):
            return self.__fanout_function__(mini_batch)
        made: Any = function()
        if not hasattr(made, "__enter__"):
            rows: Iterable[R] = made(mini_batch)
            return rows
        with made as entered:
            found: Iterable[R] = (entered or made)(mini_batch)
            return found

    def __repr__(self) -> str:
        return f"<fanout.parallel {getattr(self, '__qualname__', self.__fanout_function__)}>"

    def map(
        self,
        over: Over,
        *,
        progress: bool | None = None,
        name: str | None = None,
        store: str | None = None,
        queue: str | None = None,
        profile: str | None = None,
    ) -> list[R]:
        """The rows that the function returns for all mini-batches of `over`, in the order of the data.

        `over` is a folder or a pattern of files, a table (.csv, .tsv, .jsonl, .parquet), each also in a store; a
        DataFrame; or any iterable of items. RunFailed when more failed than the thresholds allow, with the function's
        own traceback as its cause.
        """
        rows: list[R] = self._made.rows(over, Where(store, queue, profile), name, progress)
        return rows

    def imap(
        self,
        items: Iterable[Any],
        *,
        ordered: bool = True,
        return_exceptions: bool = False,
        progress: bool | None = None,
        name: str | None = None,
        store: str | None = None,
        queue: str | None = None,
        profile: str | None = None,
    ) -> Iterator[tuple[Any, R]]:
        """Each item with its row, as they come; the function returns one row for each item. See `fanout.imap`."""
        where = Where(store, queue, profile)
        return self._made.pairs(items, where, name, progress, ordered=ordered, return_exceptions=return_exceptions)

    def run(
        self,
        over: Over,
        *,
        output: str | PathLike[str] | None = None,
        progress: bool | None = None,
        name: str | None = None,
        store: str | None = None,
        queue: str | None = None,
        profile: str | None = None,
    ) -> Run:
        """Runs the function over the data and returns the run when it has ended; see `map` for `over`.

        `output` is the file that rows are written to, in the format of its extension: .csv, .tsv, .jsonl, .parquet. By
        default they are JSON lines in the store: `run.output().rows()`.
        """
        with self._made.job(over, Where(store, queue, profile), name, output) as job:
            return job.run(progress)

    def submit(
        self,
        over: Over,
        *,
        output: str | PathLike[str] | None = None,
        name: str | None = None,
        store: str | None = None,
        queue: str | None = None,
        profile: str | None = None,
    ) -> Run:
        """The same in a background process, which outlives this one; returns as soon as the run exists."""
        from fanout.api.pipeline_calls import submit_pipeline

        with self._made.job(over, Where(store, queue, profile), name, output, here=False) as job:
            return submit_pipeline(job.pipeline, job.settings, job.where, job.name)


@overload
def parallel(function: Callable[[B], Iterable[R]], /) -> ParallelFunction[B, R]: ...
@overload
def parallel(
    function: None = None,
    /,
    *,
    mini_batch_size: int | str | None = None,
    mini_batch_rows: int | None = None,
    partition_keys: tuple[str, ...] | list[str] = (),
    max_retries: int = 2,
    timeout: float = 60.0,
    error_threshold: int = 0,
    mini_batch_error_threshold: int = -1,
    max_concurrency_per_instance: int | None = None,
    nodes: int = 1,
    isolate_failures: bool = False,
    environment_variables: Mapping[str, str] = {},
    init: Callable[[], object] | None = None,
) -> Callable[[Callable[[B], Iterable[R]]], ParallelFunction[B, R]]: ...
def parallel(function: Any = None, /, *, init: Callable[[], object] | None = None, **options: Any) -> Any:
    """Makes a function of a mini-batch one that runs over any amount of data, by `map`, `imap`, `run` and `submit`.

        @fanout.parallel(mini_batch_size=20, max_retries=2, timeout=60, error_threshold=5)
        def score(mini_batch: list[Path]) -> list[dict[str, object]]: ...

    Options are the words of a parallel step in a pipeline file. `mini_batch_size` counts items or files, or is a size
    such as "10mb" of a table; `mini_batch_rows` counts rows of one. `timeout` is in seconds, for one mini-batch.
    `error_threshold` and `mini_batch_error_threshold` are how many items and mini-batches may fail; -1: any number.
    `nodes` are processes, each with `max_concurrency_per_instance` slots, by default one for each core. `init` is
    called once in each slot. A class is made and entered (`__enter__`) once in each slot, and called with each
    mini-batch.

    The mini-batch is a list of `Path` for files, a list of values for items, a DataFrame for tables. With two
    parameters the second is the context of the mini-batch, as for `run(mini_batch, context)` of an entry script.
    """
    if function is None:
        return lambda found: ParallelFunction(found, _options(options), init)
    return ParallelFunction(function, _options(options), init)


def call_of(function: Any) -> tuple[FunctionCall, Options]:
    """How a function of mini-batches is called, and its options: its own when `parallel` has made it."""
    made = (
        function._made
        if isinstance(function, ParallelFunction)
        else _Function(function, Options(), None, per_item=False)
    )
    return made.call, made.options


def _options(said: Mapping[str, Any], **defaults: Any) -> Options:
    known = {one.name for one in fields(Options)}
    for name in said:
        if name not in known:
            from fanout.pipeline.yaml.diagnostics import suggest

            raise TypeError(f"{name}: no such option{suggest(name, known)}")
    made = Options(**{**defaults, **said})
    return replace(made, partition_keys=tuple(made.partition_keys))


class _Function:
    """A function with its options: what all calls are made of."""

    def __init__(self, function: Any, options: Options, init: Callable[[], object] | None, *, per_item: bool) -> None:
        self.call = FunctionCall(getattr(function, "__fanout_function__", function), per_item, "values", True, init)
        self.options = options

    def job(
        self, over: Any, where: Where, name: str | None, output: Any = None, *, here: bool = True, **changed: Any
    ) -> AbstractContextManager[Job]:
        text = None if output is None else str(output)
        return prepared(self.call, over, replace(self.options, **changed), text, name, where, here=here)

    def rows(
        self, over: Any, where: Where, name: str | None, progress: bool | None, *, return_exceptions: bool = False
    ) -> list[Any]:
        if return_exceptions:
            found = self.pairs(over, where, name, progress, ordered=True, return_exceptions=True)
            return [row for _, row in found]
        if _is_empty(over):
            return []
        with self.job(over, where, name) as job:
            run = job.run(progress)
        run.raise_for_status()
        return run.output().rows()

    def pairs(
        self,
        items: Any,
        where: Where,
        name: str | None,
        progress: bool | None,
        *,
        ordered: bool,
        return_exceptions: bool,
    ) -> Iterator[tuple[Any, Any]]:
        if _is_empty(items):
            return
        changed: dict[str, Any] = {"error_threshold": -1, "mini_batch_error_threshold": -1} if return_exceptions else {}
        with self.job(items, where, name, **changed) as job:
            yield from _pairs(job, progress, ordered=ordered, errors=return_exceptions)


def _is_empty(over: Any) -> bool:
    return isinstance(over, (list, tuple, range, dict, set, frozenset)) and not over


def _pairs(job: Job, progress: bool | None, *, ordered: bool, errors: bool) -> Iterator[tuple[Any, Any]]:
    if job.items is None:
        raise TypeError("imap gives items with their rows, which tables and files in a store have not: use map")
    reader = job.items.opened()
    try:
        count = 0
        for start, rows in job.stream(progress, errors=errors, ordered=ordered):
            for position, row in enumerate(rows, start):
                yield reader[position], row
            count += len(rows)
        run = Run(job.name, job.settings)
        if not errors:
            run.raise_for_status()
        elif count < len(job.items):
            raise ScriptError(f"run {job.name} ended {run.status} before all items were done: {run.reason}")
    finally:
        reader.close()
