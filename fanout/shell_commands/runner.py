"""A command step: one shell command, run once on this machine, in the snapshot of its code (reference, section 1).

Its outputs are staged in folders of its own and published when it has succeeded; then the step is sealed.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obstore.store import LocalStore, ObjectStore

from fanout.files import uris
from fanout.files.scratch import scratch_folder
from fanout.files.transfer import upload_file, upload_folder
from fanout.node.step_inputs import fetch_inputs
from fanout.node.workspace import data_variables, own_python, unpack_code
from fanout.pipeline.model import CommandStep, DataType
from fanout.pipeline.shell.command_line import UnsafeValueError, render_command
from fanout.records.step import BoundInput, BoundOutput
from fanout.security.masking import mask_file, mask_folder
from fanout.security.redaction import secrets_of
from fanout.shell_commands.artifacts import LOGS, default_folders
from fanout.shell_commands.guard import guarded
from fanout.shell_commands.printed_lines import OnLine, Printed
from fanout.slot.child.script_context import STAND_INS
from fanout.storage import atomic, keys
from fanout.storage.access import Access
from fanout.storage.keys import StepRound
from fanout.storage.objects import translated
from fanout.storage.open import locate
from fanout.tasks import cut_off

if TYPE_CHECKING:
    from fanout.records.cancelation import Cancelation

LOG_FILE = "user_logs/std_log.txt"
LAST_WORDS = 16 * 1024


@dataclass(frozen=True, slots=True)
class CommandOrder:
    """A command step of one run, and where its data is."""

    at: StepRound
    step: CommandStep
    inputs: Mapping[str, BoundInput]
    outputs: Mapping[str, BoundOutput]
    code: str | None  # digest of the snapshot


@dataclass(frozen=True, slots=True)
class CommandEnd:
    """How a command ended: `reason` is None when well; `said` is the end of what it printed."""

    reason: str | None
    said: str = ""
    canceled: bool = False  # ended because the run was canceled
    artifacts: int = 0  # files of ./outputs that are under keys.artifacts


async def run_command(
    order: CommandOrder,
    store: ObjectStore,
    access: Access,
    canceled: "asyncio.Future[Cancelation] | None" = None,
    publish_to: Mapping[str, BoundOutput] | None = None,
    on_line: OnLine | None = None,
) -> CommandEnd:
    """Runs the command to its end, or until `canceled` is done; its outputs are published when it ended with 0.

    They are published at `publish_to` when that is given: where two may run the command at once, a seal says later
    whose outputs count. `on_line` gets each line that the command prints, while it runs.
    """
    secrets = secrets_of({**os.environ, **order.step.environment_variables})
    async with _scratch(order, store) as scratch:
        staged, log = _stage(order.outputs, scratch / "staged"), scratch / "std_log.txt"
        cwd = await unpack_code(order.code, store, scratch / "code") or scratch / "work"
        folders, kept = default_folders(cwd), 0
        work = asyncio.ensure_future(_work(order, access, staged, scratch, cwd, log))
        printed = Printed(log, secrets, on_line or (lambda _: None))
        following = asyncio.ensure_future(printed.follow()) if on_line is not None else None
        try:
            waits: list[asyncio.Future[Any]] = [work] if canceled is None else [work, canceled]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if canceled is not None and not work.done():
                return CommandEnd(str(canceled.result()), canceled=True)
            reason = work.result() or _missing(order.outputs, staged)
            if reason is None:
                folders.hand_over(order.outputs, staged)
                reason = _clash(order.outputs, staged)
            if reason is None:
                await _publish(publish_to or order.outputs, staged, access)
        finally:
            await cut_off(work)  # its processes are gone before its log is read
            if following is not None:
                await cut_off(following)
                printed.end()
            mask_folder(cwd / LOGS, secrets)
            kept = await folders.keep(store, order.at)
            if log.exists():
                mask_file(log, secrets)
                await upload_file(log, store, keys.logs(order.at) + LOG_FILE)
        return CommandEnd(reason, _end_of(log), artifacts=kept)


async def _work(
    order: CommandOrder, access: Access, staged: Mapping[str, Path], scratch: Path, cwd: Path, log: Path
) -> str | None:
    """Everything that a cancelation may cut off; why the command did not end well, if it did not."""
    values = await fetch_inputs(order.inputs, scratch / "inputs", access)
    try:
        command = render_command(order.step.command, values, _texts(staged))
    except UnsafeValueError as exc:  # what a file is called must not be able to end more than its step
        return f"command: {exc}"
    environ = await _environ(order, access, scratch, data_variables(values, _texts(staged)))
    return await _execute(order, command.text, {**environ, **command.variables}, cwd, log)


def _texts(staged: Mapping[str, Path]) -> dict[str, str]:
    return {name: str(path) for name, path in staged.items()}


async def _environ(order: CommandOrder, access: Access, scratch: Path, data: Mapping[str, str]) -> dict[str, str]:
    """The environment of the command: `python` is the Python of the step, whether or not that is activated."""
    python, fanout_at = await own_python(order.step, scratch)
    path = f"{(python or Path(sys.executable)).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environ = {**os.environ, **access.child_environ(), **data, "PATH": path, "AZUREML_RUN_ID": order.at.run}
    if python is not None:
        environ["VIRTUAL_ENV"] = str(python.parent.parent)
        environ.pop("PYTHONHOME", None)
    environ |= order.step.environment_variables
    found = (environ.get("PYTHONPATH"), STAND_INS, None if fanout_at is None else str(fanout_at))
    return environ | {"PYTHONPATH": os.pathsep.join(filter(None, found))}


async def _execute(order: CommandOrder, text: str, environ: Mapping[str, str], cwd: Path, log: Path) -> str | None:
    async with guarded() as guard:
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                "/bin/bash" if Path("/bin/bash").exists() else "/bin/sh",
                "-c",
                text,
                cwd=cwd,
                env=environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            await guard.watch_over(process.pid)
            async with asyncio.timeout(order.step.timeout):
                returncode = await process.wait()
        except TimeoutError:
            return f"the command took longer than its limit of {order.step.timeout:g} seconds"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if returncode == 0:
        return None
    return f"the command ended with exit code {returncode}" if returncode > 0 else f"killed by signal {-returncode}"


def _stage(outputs: Mapping[str, BoundOutput], folder: Path) -> dict[str, Path]:
    """The local place of each output: a folder that exists, or a file in a folder that exists."""
    staged = {}
    for name, output in outputs.items():
        place = folder / name
        place.mkdir(parents=True)
        if output.type is DataType.URI_FILE:
            place = place / output.uri.rstrip("/").rpartition("/")[2]
        staged[name] = place
    return staged


def _missing(outputs: Mapping[str, BoundOutput], staged: Mapping[str, Path]) -> str | None:
    """Which file the command ought to have written and has not, if there is one."""
    for name, place in staged.items():
        if outputs[name].type is DataType.URI_FILE and not os.path.lexists(place):
            return f"the command ended with exit code 0, but has not written its output {name}, a uri_file"
    return None


def _clash(outputs: Mapping[str, BoundOutput], staged: Mapping[str, Path]) -> str | None:
    """Why what the command made cannot go where it belongs, if it cannot: looked at before anything goes there."""
    for name, place in staged.items():
        if outputs[name].type is DataType.URI_FILE and place.is_dir():
            return f"output {name} is a uri_file, and the command made a folder of it"
        if uris.is_local(uri := outputs[name].uri):
            for made, target in _pairs(place, Path(uris.to_path(uri))):
                if os.path.lexists(target) and (_is_folder(made) or _is_folder(target)):
                    there, ours = ("folder", "file") if _is_folder(target) else ("file", "folder")
                    return f"output {name}: {target} is a {there}, and the command made a {ours} of this name"
    return None


async def _publish(outputs: Mapping[str, BoundOutput], staged: Mapping[str, Path], access: Access) -> None:
    for name, place in staged.items():
        output = outputs[name]
        if uris.is_local(output.uri):
            with translated("write", uris.display(output.uri)):
                for made, target in list(_pairs(place, Path(uris.to_path(output.uri)))):
                    await asyncio.to_thread(partial(atomic.move, made, target, durable=access.durable))
        elif output.type is DataType.URI_FILE:
            if place.is_file():
                store, key = locate(output.uri, access)
                await upload_file(place, store, key)
        else:
            await upload_folder(place, output.uri, access)


def _pairs(place: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    """What moves whole, and where to: what a folder holds one by one where there is a folder already."""
    if _is_folder(place) and target.is_dir():
        for child in sorted(place.iterdir()):
            yield from _pairs(child, target / child.name)
    elif place.exists():
        yield place, target


def _is_folder(path: Path) -> bool:
    # A link to a folder moves as the link it is: what it points at is not the command's.
    return path.is_dir() and not path.is_symlink()


@contextlib.asynccontextmanager
async def _scratch(order: CommandOrder, store: ObjectStore) -> AsyncIterator[Path]:
    """Inside a local store, so that outputs move by renaming; else in the machine's temporary folder."""
    parent = Path(store.prefix) / "scratch" if isinstance(store, LocalStore) and store.prefix else None
    with scratch_folder(f"{order.at.run}-{order.step.name}-", parent) as folder:
        yield folder


def _end_of(log: Path) -> str:
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LAST_WORDS))
        return file.read().decode(errors="replace")
