"""A slot seen from inside: the process that runs user code. `python -P -m fanout.slot.child.main <socket fd>`.

It reads frames from its socket, calls init() once and run() for each mini-batch in turn, and answers each. It starts
often and first of all things, so it imports the standard library and little of fanout; pandas only for tables. With
`fork <socket fd>` it is a fork server, of which slots are copies (`forking`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from fanout.backports import cache, dataclass
from fanout.clock import SystemClock
from fanout.errors import DamagedRecordError, EntryScriptError, FanoutError
from fanout.files.uris import is_local, to_path
from fanout.records import mini_batch
from fanout.records.row_format import RowFormat
from fanout.results.codec import Cause, Failure, attempt_name
from fanout.security.redaction import redact, secrets_of
from fanout.slot import protocol
from fanout.slot.child import entry_script, stack_dumps
from fanout.slot.child.channel import Channel
from fanout.slot.child.entry_script import (
    MiniBatchContext,
    UserScript,
    exit_reason,
    one_line,
    script_traceback,
    user_traceback,
)
from fanout.slot.child.orphans import adopt, die_with_the_parent, end_children
from fanout.slot.child.output_staging import OutputFolders
from fanout.slot.child.permanent_errors import advice, is_permanent
from fanout.slot.child.row_encoder import RowEncoder, read_settings
from fanout.slot.child.script_context import STAND_INS, ScriptContext, current, enter
from fanout.slot.protocol import ControlOrder, Done, StartOrder, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fanout.records.mini_batch import MiniBatch
    from fanout.records.parts import ItemRange

    Load = Callable[[MiniBatch], Any]

CLOCK = SystemClock()
OOM_SCORE = "300"
LOOKS_AFTER = 0.2
"""Seconds of one mini-batch after which the node may have withdrawn those behind it: fewer than the slot's LONG."""
LOOKS_FOR = 1.0
"""Seconds for which it is looked before each mini-batch then: the node's word may just be on its way."""


@dataclass(frozen=True, slots=True)
class ScriptRunner:
    """A script that is ready to run, and everything one attempt needs."""

    script: UserScript
    load: Load
    reads: bool  # reading a mini-batch is work of its own, worth telling the node
    encoder: RowEncoder
    folders: OutputFolders
    send: Callable[[bytes], None]
    call: Callable[..., Any]  # calls run(), under a profiler where one was asked for
    pid: int = field(default_factory=os.getpid)

    def attempt(self, task: Task) -> Done:
        """One try of run() on one mini-batch, or on a part of it. Nothing that user code does makes it raise."""
        started, begun, items, part = CLOCK.now(), time.perf_counter(), 0, task.part
        try:
            batch = task.batch or mini_batch.decode(task.line, "task")
            items = (batch.items or 0) if part is None else part.items
            data = self.load(batch) if part is None else _cut(self.load(batch), part)
            items = len(data)
        except Exception as exc:  # noqa: BLE001 - whatever reading raises is this attempt's failure
            cause = Cause.DAMAGED if isinstance(exc, DamagedRecordError) else Cause.LOAD
            return self._failed(cause, exc, Done(items, 0, time.perf_counter() - begun, 0.0, started=started))
        load_seconds = time.perf_counter() - begun
        if not self.reads:
            return self._run(task, batch, data, started, load_seconds)
        self.send(protocol.loaded_frame(items, load_seconds))
        changes = getattr(self.load, "changes", ()) if part is None else ()  # of a table
        done = self._run(task, batch, data, started, load_seconds)
        return done._replace(changes=changes) if changes and done.failure is None else done

    def _run(self, task: Task, batch: MiniBatch, data: Any, started: float, load_seconds: float) -> Done:
        items = len(data)  # now: run() may change it
        context = _context(task, batch) if self.script.takes_context else None
        begun = time.perf_counter()
        try:
            result = self.call(self.script.run, data, context)
        except BaseException as exc:  # noqa: BLE001 - the one broad catch around user code, sys.exit included
            if os.getpid() != self.pid:
                os._exit(1)
            lost = Done(items, 0, load_seconds, time.perf_counter() - begun, started=started)
            return self._failed(Cause.EXCEPTION, exc, lost)
        if os.getpid() != self.pid:
            os._exit(0)  # a copy that the script has forked off: the original answers
        run_seconds = time.perf_counter() - begun
        try:
            succeeded = entry_script.check_result(result)
            rows = self.encoder.encode(result)
            files = self.folders.set_aside(attempt_name(batch.index, task.part, task.attempt)) if self.folders else ()
        except Exception as exc:  # noqa: BLE001 - str() of the user's objects is user code too
            return self._failed(Cause.BAD_RETURN, exc, Done(items, 0, load_seconds, run_seconds, started=started))
        return Done(
            items,
            min(succeeded, items),
            load_seconds,
            run_seconds,
            rows.count,
            rows.payload,
            rows.header,
            files,
            None,
            started,
        )

    def _failed(self, cause: Cause, exc: BaseException, so_far: Done) -> Done:
        self.folders.discard()
        return so_far._replace(failure=_failure(cause, exc))


def _context(task: Task, batch: MiniBatch) -> MiniBatchContext:
    first_row = batch.first_row
    if first_row is not None and task.part is not None:
        first_row += task.part.start
    return MiniBatchContext(batch.index, batch.partition, first_row, task.attempt)


def main(descriptor: int) -> None:
    """The life of the process: start, init, run after run, shutdown."""
    die_with_the_parent()  # the node or the fork server, even in the middle of run()
    adopt()
    _offer_itself()
    channel = Channel(descriptor)
    first = channel.start_frame()
    if first is None:
        _leave_without_waiting(0)
    start = StartOrder.from_frame(first)
    if start.environ is not None:
        _move(start.cwd or ".", start.environ)
    _secrets()
    if start.stack is not None:
        stack_dumps.arm(start.stack)
    settle_in(start)
    try:
        worker = prepare(start, channel.send)
        begun = time.perf_counter()
        worker.script.init()
    except BaseException as exc:  # noqa: BLE001 - importing the script and init() are user code
        failure = _failure(Cause.INIT, exc)
        failure = replace(failure, message=failure.message + advice(exc, Path(start.code or "."), start.conda_file))
        _send_now(channel, protocol.start_failed_frame(failure, permanent=is_permanent(exc)))
        _leave_without_waiting(1)
    _send_now(channel, protocol.ready_frame(time.perf_counter() - begun))
    _serve(worker, channel)
    _send_now(channel, _shut_down(worker))


def _send_now(channel: Channel, frame: bytes) -> None:
    channel.send(frame)
    channel.wake_node()


def _serve(worker: ScriptRunner, channel: Channel) -> None:
    looks_until = 0.0
    while (order := channel.take()) is not ControlOrder.STOP:
        if order is None:
            _leave_without_waiting(0)  # the node has gone: shutdown() is not waited for
        if not isinstance(order, Task):
            _send_now(channel, protocol.REVOKED)
            continue
        done = worker.attempt(order)
        channel.send(done.frame())
        if done.load_seconds + done.run_seconds >= LOOKS_AFTER:
            looks_until = time.monotonic() + LOOKS_FOR
        if looks_until and time.monotonic() < looks_until:
            channel.drop_revoked()


def _leave_without_waiting(code: int) -> NoReturn:
    """Ends the process although threads of the script may still run."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the script may have closed or replaced it
            stream.flush()
    end_children()
    os._exit(code)


def _shut_down(worker: ScriptRunner) -> bytes:
    failure: Failure | None = None
    files: tuple[str, ...] = ()
    try:
        worker.script.shutdown()
    except BaseException as exc:  # noqa: BLE001 - user code
        failure = _failure(Cause.SHUTDOWN, exc)
    try:
        files = worker.folders.set_aside("shutdown")
    except EntryScriptError as exc:
        failure = failure or _failure(Cause.SHUTDOWN, exc)
    return protocol.stopped_frame(failure, files)


def prepare(start: StartOrder, send: Callable[[bytes], None]) -> ScriptRunner:
    """A worker with the script loaded, and its folders made; raises what the script raises while it is imported."""
    outputs = {name: Path(path) for name, path in start.outputs.items()}
    folders = OutputFolders(outputs, Path(start.attempts), start.process)
    folders.create()
    row_format = RowFormat(start.row_format)
    return ScriptRunner(
        script=entry_script.load(start.entry_script, start.code),
        load=_paths_in(start.input_path) if start.recipe is None else _table_reader(start, start.recipe),
        reads=start.recipe is not None,
        encoder=RowEncoder(row_format, read_settings(start.code, start.entry_script)),
        folders=folders,
        send=send,
        call=_caller(start),
    )


def _table_reader(start: StartOrder, recipe: str) -> Load:
    if start.table_server is not None:
        from fanout.slot.child.table_client import RemoteTableReader

        return RemoteTableReader(start.table_server, recipe, start.input_dir, json_records=start.json_records)
    from fanout.slot.child.table_reader import TableReader  # in the node's own Python only

    return TableReader(recipe, Path(start.input_dir), json_records=start.json_records)


def settle_in(start: StartOrder) -> None:
    """Arguments, import path, logging: what the script expects to find (reference, section 6)."""
    sys.argv[:] = [start.entry_script, *start.arguments]
    if start.code:
        sys.path.insert(0, start.code)
    sys.path.append(STAND_INS)  # behind whatever is installed
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    logging.basicConfig(stream=sys.stdout, level=start.logging_level, format="%(asctime)s|%(levelname)s|%(message)s")
    enter(
        ScriptContext(
            agent_name=start.process,
            node_id=start.node,
            logging_level=start.logging_level,
            logs=Path(start.logs),
            working_dir=Path(start.code or Path.cwd()),
            input_dir=Path(start.input_dir),
            output_dir=Path(start.output_dir),
        )
    )


def _move(folder: str, environ: Mapping[str, str]) -> None:
    """A copy of the fork server finds what a process of its own would have been started with."""
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    os.chdir(folder)


def _caller(start: StartOrder) -> Callable[..., Any]:
    if not start.profiling_module:
        return lambda run, data, context: run(data, context)
    import atexit
    import importlib

    profile = importlib.import_module(start.profiling_module).Profile()
    path = Path(start.logs, "sys", "node", start.node, f"{start.process}.profile")
    path.parent.mkdir(parents=True, exist_ok=True)
    atexit.register(profile.dump_stats, path)
    return lambda run, data, context: profile.runcall(run, data, context)


def _paths_in(folder: str | None) -> Load:
    """Reads the paths of a mini-batch's files, which are in `folder`; None: wherever the node has them."""
    if folder is None:
        return lambda batch: [to_path(uri) if is_local(uri) else uri for uri in batch.files]
    root = f"{folder.rstrip('/')}/"
    plain = f"file://{root}"

    def paths(batch: MiniBatch) -> list[str]:
        if _all_begin_with(plain, batch.files):
            return [uri[7:] for uri in batch.files]
        found = [to_path(uri) for uri in batch.files]
        for path in found:
            if (not path.startswith(root) and path != folder) or "/../" in path[len(root) - 1 :]:
                raise DamagedRecordError(f"{path}: is not in the input {folder}, and is not read")
        return found

    return paths


def _all_begin_with(root: str, files: tuple[str, ...]) -> bool:
    """Whether all of these are plain URIs below `root`, as nearly always: a look at all of them together shows that."""
    text = "\n".join(files)
    if "%" in text or "/." in text or "\0" in text or text.count("\n") != len(files) - 1:
        return False
    return text.count(f"\n{root}") + text.startswith(root) == len(files)


def _cut(data: Any, part: ItemRange) -> Any:
    """The items of the part: files of a list, or rows of a DataFrame, numbered from 0 as those of any mini-batch."""
    if isinstance(data, list):
        return data[part.start : part.stop]
    return data.iloc[part.start : part.stop].reset_index(drop=True)


def _failure(cause: Cause, exc: BaseException) -> Failure:
    """An error of ours is a sentence about the script or its data: only the script's own lines would add to it."""
    if isinstance(exc, FanoutError):
        message, trace = str(exc), script_traceback(exc, current().working_dir)
    elif isinstance(exc, SystemExit):
        message, trace = exit_reason(exc), user_traceback(exc)
    else:
        message, trace = one_line(exc), user_traceback(exc)
    # Here and not where it is shown: only this process knows what its environment held when it began.
    return Failure(cause, redact(message, _secrets()), redact(trace, _secrets()))


@cache
def _secrets() -> tuple[str, ...]:
    """The credentials of this process, as it found them: asked for first before user code can change them."""
    return secrets_of(os.environ)


def _offer_itself() -> None:
    """Where memory runs out, the kernel takes a slot before the node, and a node before the run's own process."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)


if __name__ == "__main__":
    from fanout.slot.child.fork_loop import serve_forks  # here, as a foreign interpreter comes in by main()

    main(serve_forks(int(sys.argv[2])) if sys.argv[1] == "fork" else int(sys.argv[1]))
