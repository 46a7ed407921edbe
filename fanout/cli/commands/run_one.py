"""`fanout run-one`: one mini-batch in the foreground, in this process."""

import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fanout.api.where import Where
from fanout.cli import options
from fanout.cli.run_names import run_names
from fanout.errors import ExitCode, RunError

if TYPE_CHECKING:
    from fanout.cli.render.output import Console
    from fanout.config.settings import Settings
    from fanout.node.single import Prepared
    from fanout.records.step import StepRecord

Which = Annotated[
    list[str],
    typer.Argument(
        metavar="[RUN] N",
        help="The run, by default the newest; the mini-batch, from 0.",
        show_default=False,
        autocompletion=run_names,
    ),
]
NewCode = Annotated[bool, typer.Option("--new-code", help="Use the current code instead of the run's snapshot.")]
Debug = Annotated[bool, typer.Option("--debug", help="Start pdb where the script fails.")]


def run_one(
    which: Which,
    step: options.StepName = None,
    new_code: NewCode = False,
    debug: Debug = False,
    store: options.Store = None,
    profile: options.Profile = None,
) -> None:
    """Run one mini-batch in this terminal, without changing the run.

    The script runs in this process: its output is shown and breakpoint() works. Exit code 1: it failed.
    """
    import asyncio
    import faulthandler

    from fanout.api import context
    from fanout.cli.render.output import output_to
    from fanout.node.single import clear

    run, mini_batch = _chosen(which)
    faulthandler.enable()  # a script that crashes the process shows where
    faulthandler.register(signal.SIGQUIT, chain=True)  # Ctrl-\\, for one that Ctrl-C does not reach
    settings = context.settings_of(Path.cwd(), Where(store, profile=profile))
    record = asyncio.run(_record(run, step, settings))
    code, code_note = _code(record, new_code=new_code)
    scratch = Path(tempfile.mkdtemp(prefix=f"{record.run}-{record.step.name}-{mini_batch}-")).absolute()
    output = output_to(sys.stdout)
    if record.step.environment.build:
        output.line("note: this runs in fanout's own Python, not in the environment of the step")
    try:
        prepared = asyncio.run(_prepared(record, mini_batch, settings, scratch, code))
        ended_well = _carry_out(prepared, record, code_note, output, debug=debug)
    finally:
        clear(scratch)
    raise typer.Exit(ExitCode.COMPLETED if ended_well else ExitCode.FAILED)


def _chosen(which: list[str]) -> tuple[str | None, int]:
    """The run, None for the newest, and the mini-batch; RunError when that is not what was said."""
    run, index = (None, which[0]) if len(which) == 1 else (which[0], which[1]) if len(which) == 2 else ("", "")
    if not index.isascii() or not index.isdecimal():
        raise RunError(
            f"run-one {' '.join(which)}: expected the number of a mini-batch, or a run and that number: "
            "fanout run-one brave_lake 3"
        )
    return run, int(index)


async def _record(run: str | None, step: str | None, settings: "Settings") -> "StepRecord":
    """The step that the mini-batch belongs to; RunError when it has not begun."""
    from fanout.api import context
    from fanout.queries.runs import find_run
    from fanout.queries.status import pick_parallel
    from fanout.records.code_change import with_code_of_now
    from fanout.records.step import read_record
    from fanout.scheduler.reuse.taken_over import taken_over

    store = context.open_to_read(settings)
    found = await find_run(store, run)
    chosen = pick_parallel(found, step).name
    record = await read_record(store, found.at(chosen))
    if record is None and (earlier := await taken_over(store, found.at(chosen))) is not None:
        raise RunError(f"step {chosen} of run {found.name} was taken over from run {earlier.run}: name that one")
    if record is None:
        raise RunError(f"step {chosen} of run {found.name} has not begun, so it has no mini-batches")
    return await with_code_of_now(store, record)


def _code(record: "StepRecord", *, new_code: bool) -> tuple[Path | None, str]:
    """The folder to use instead of the snapshot, and the sentence about the code; RunError when the folder is not
    here."""
    if not new_code or record.code is None:
        as_it_was = record.code_from and f"{record.code_from}, as the run had it"
        return None, as_it_was or "none; the entry script is an installed module"
    folder = Path(record.code_from or "")
    if record.code_from is None or not folder.is_dir():
        raise RunError(f"the code folder {record.code_from} is not on this machine; leave --new-code away")
    return folder, f"{folder}, as it is now"


async def _prepared(
    record: "StepRecord", index: int, settings: "Settings", scratch: Path, code: Path | None
) -> "Prepared":
    from fanout.api import context
    from fanout.node.single import prepare

    return await prepare(record, index, context.open_to_read(settings), context.access_of(settings), scratch, code)


def _carry_out(prepared: "Prepared", record: "StepRecord", code: str, output: "Console", *, debug: bool) -> bool:
    """Runs the script and says what became of it; whether all went well."""
    from fanout.cli.render.run_one import after, before, failed, interrupted, left
    from fanout.node.single import Trial, surroundings, written
    from fanout.reports.failure_groups import StepSource

    source, paint, trial = StepSource(record.run, record.step.name, record.code_from), output.paint, Trial(prepared)
    _print(output, *before(prepared, source, code, paint))
    ended_well = False
    with surroundings(prepared):
        try:
            _print(output, *after(trial.run(), paint))
            ended_well = True
        except KeyboardInterrupt as stop:
            _print(output, *interrupted(stop, trial.phase, source, paint))
            if debug:
                _debug(stop, prepared)
            raise
        except BaseException as error:  # noqa: BLE001 - user code, sys.exit included
            _print(output, *failed(error, trial.phase, source, paint))
            if debug:
                _debug(error, prepared)
            else:
                _print(output, paint.quiet("  --debug starts pdb there, --new-code takes the code folder as it is now"))
    _print(output, *left(written(prepared), prepared.place.scratch))
    return ended_well


def _debug(error: BaseException, prepared: "Prepared") -> None:
    from fanout.node.debugger import post_mortem

    post_mortem(error, prepared.place.code)


def _print(output: "Console", *lines: str) -> None:
    for line in lines:
        output.line(line)
