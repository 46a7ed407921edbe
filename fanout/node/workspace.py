"""The folders of a node on its machine: scratch space, the unpacked code, the logs."""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from obstore.store import LocalStore

from fanout.code_snapshots import archive as code
from fanout.errors import StoreError
from fanout.files import uris
from fanout.files.local_folder import files_below
from fanout.files.scratch import scratch_folder
from fanout.files.transfer import some_at_once, upload_file
from fanout.pipeline.model import DataType, Step
from fanout.records.step import BoundOutput, StepRecord
from fanout.security.masking import mask_folder
from fanout.security.redaction import secrets_of
from fanout.slot.protocol import StartOrder
from fanout.slot.spawn import Placement
from fanout.storage import keys
from fanout.storage.objects import read
from fanout.tasks import first_error

if TYPE_CHECKING:
    from obstore.store import ObjectStore

log = logging.getLogger(__name__)

NODE_LOGS = ("user/stdout", "user/stderr", "user/entry_script_log", "sys/node", "sys/warning", "sys/error")
"""Folders of the logs in which each node has one of its own (reference, section 11)."""

LARGEST_VARIABLE = 32 * 1024
"""Characters of a variable; the system takes 128 KiB in UTF-8, and starts no process with more."""

TABLE_SERVER = (sys.executable, "-P", "-m", "fanout.slot.child.table_server")
"""The command that reads tables for slots in the step's own Python."""


def table_server(environ: Mapping[str, str]) -> list[str]:
    """The same with the node's own import path: that of the step may lead to packages of another Python."""
    path = environ.get("PYTHONPATH")
    return ["/usr/bin/env", *(("-u", "PYTHONPATH") if path is None else (f"PYTHONPATH={path}",)), *TABLE_SERVER]


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a node works. `store_folder` is set when the store is a folder of this machine: then nothing is copied."""

    scratch: Path
    logs: Path
    code: Path | None
    store_folder: Path | None
    node: int
    python: Path | None = None  # that of the step's own environment; None: the node's
    fanout_at: Path | None = None  # where that Python finds fanout

    @property
    def inputs(self) -> Path:
        return self.scratch / "inputs"

    def slot_outputs(self, process: str, names: Iterable[str]) -> dict[str, Path]:
        """The staging folder of each output, one a process."""
        return {name: self.scratch / "outputs" / process / name for name in names}

    def output_values(self, process: str, outputs: Mapping[str, BoundOutput]) -> dict[str, str]:
        """Each output as the text of `${{outputs.<name>}}`: its staging folder, or the file in it."""
        values = {}
        for name, folder in self.slot_outputs(process, outputs).items():
            folder.mkdir(parents=True, exist_ok=True)
            file = outputs[name].uri.rstrip("/").rpartition("/")[2]
            values[name] = str(folder / file if outputs[name].type is DataType.URI_FILE else folder)
        return values

    @property
    def attempts(self) -> Path:
        """Where slots put the files of successful attempts."""
        return self.scratch / "attempts"

    def placement(self, process: str, environ: Mapping[str, str]) -> Placement:
        """Current folder, environment and print files of a slot's process (reference, section 11)."""
        user = self.logs / "user"
        return Placement(
            cwd=self.code or self.scratch,
            environ=environ,
            stdout=user / "stdout" / str(self.node) / f"{process}.stdout.txt",
            stderr=user / "stderr" / str(self.node) / f"{process}.stderr.txt",
            python=str(self.python or sys.executable),
            fanout_at=self.fanout_at,
        )

    def start_order(self, record: StepRecord, process: str, arguments: list[str]) -> StartOrder:
        """The start order for a new process of a slot."""
        outputs = self.slot_outputs(process, record.staged_outputs)
        first_output = next(iter(outputs.values()), self.scratch / "outputs" / process)
        return StartOrder(
            entry_script=record.step.task.entry_script,
            code=None if self.code is None else str(self.code),
            arguments=arguments,
            row_format=record.row_format.value,
            recipe=record.recipe,
            node=str(self.node),
            process=process,
            logs=str(self.logs),
            outputs={name: str(path) for name, path in outputs.items()},
            attempts=str(self.attempts),
            output_dir=str(first_output),
            input_dir=str(self.inputs),
            logging_level=record.step.logging_level,
            profiling_module=record.step.profiling_module,
            input_path=_local_input(record),
            conda_file=None if self.python is None else record.step.environment.conda_file,
            table_server=None if self.python is None or record.recipe is None else table_server(os.environ),
            json_records=record.step.json_records,
            stack=str(self.scratch / "stacks" / process),
        )


def _local_input(record: StepRecord) -> str | None:
    """The folder or file that mini-batches name files of, where it is on this machine and no table."""
    major = record.major
    if major is None or major.uri is None or not uris.is_local(major.uri) or major.type is DataType.MLTABLE:
        return None
    return uris.to_path(major.uri)


@contextlib.asynccontextmanager
async def workspace(record: StepRecord, store: "ObjectStore", node: int) -> AsyncIterator[Workspace]:
    """The folders exist and the code is unpacked; at the end scratch is gone and the logs are in the store."""
    root = Path(store.prefix) if isinstance(store, LocalStore) and store.prefix else None
    log_key = keys.logs(record.at)
    # Inside a local store, so that files move into it by renaming; else in the machine's temporary folder.
    with scratch_folder(f"{record.run}-{record.step.name}-{node}-", root / "scratch" if root else None) as scratch:
        logs = root / log_key if root else scratch / "logs"
        try:
            code_folder = await unpack_code(record.code, store, scratch / "code")
            place = Workspace(scratch, logs, code_folder, root, node, *await own_python(record.step, scratch))
            place.inputs.mkdir(exist_ok=True)
            place.attempts.mkdir(exist_ok=True)
            yield place
        finally:
            _mask_logs(record, logs, node, shared=root is not None)
            if root is None and logs.is_dir():
                await _upload_logs(logs, store, log_key)


async def own_python(step: Step, scratch: Path) -> tuple[Path | None, Path | None]:
    """The Python of the step's own environment, made unless it is there, and where that finds fanout; or neither."""
    if not step.environment.build:
        return None, None
    from fanout.environments.build import importable, python_of

    return await asyncio.to_thread(python_of, step), importable(scratch)


async def unpack_code(digest: str | None, store: "ObjectStore", folder: Path) -> Path | None:
    """The step's code, unpacked into `folder`; None when the step has none."""
    if digest is None:
        return None
    archive = await read(store, keys.code(digest))
    if archive is None:
        raise StoreError(f"{keys.code(digest)}: the code of this step is not in the store any more")
    folder.mkdir(parents=True, exist_ok=True)
    code.unpack(archive, digest, folder)
    return folder


def own_logs(logs: Path, node: int) -> list[Path]:
    """The folders of a node among the logs of a step."""
    return [logs / name / str(node) for name in NODE_LOGS]


def _mask_logs(record: StepRecord, logs: Path, node: int, *, shared: bool) -> None:
    """What scripts print of their credentials is not kept; in shared logs only this node's are looked at."""
    secrets = secrets_of({**os.environ, **record.step.environment_variables})
    for folder in own_logs(logs, node) if shared else [logs]:
        mask_folder(folder, secrets)


async def _upload_logs(logs: Path, store: "ObjectStore", prefix: str) -> None:
    """Logs are worth a warning, not the end of a node whose results are durable already."""
    names = [name for name in files_below(logs) if name.isprintable()]  # a script may log under any name
    try:
        await some_at_once(upload_file(logs / name, store, prefix + name) for name in names)
    except* (StoreError, OSError) as several:
        log.warning("the logs of this node could not be kept: %s", first_error(several))


def data_variables(inputs: Mapping[str, str | None], outputs: Mapping[str, str]) -> dict[str, str]:
    """Azure's variables for inputs and outputs; what no variable can hold is left out: programs have arguments, too."""
    named = {f"AZURE_ML_INPUT_{name}": value for name, value in inputs.items()}
    named |= {f"AZURE_ML_OUTPUT_{name}": value for name, value in outputs.items()}
    fits = (item for item in named.items() if item[1] and len(item[1]) < LARGEST_VARIABLE and "\0" not in item[1])
    return {name: value for name, value in fits if value}


def slot_environ(
    record: StepRecord,
    place: Workspace,
    start: StartOrder,
    values: Mapping[str, str | None],
    inherited: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """The environment of a slot: the node's own, what Azure sets, and what the step asks for (reference, section 6).

    `values` are the step's inputs as `${{inputs.<name>}}` stands for them.
    """
    ours = {
        "AZUREML_RUN_ID": record.run,
        "AZUREML_BI_OUTPUT_PATH": start.output_dir,
        "MLFLOW_TRACKING_URI": inherited.get("MLFLOW_TRACKING_URI", f"file:{place.scratch / 'mlruns'}"),
        **data_variables(values, place.output_values(start.process, record.outputs)),
    }
    environ = {**inherited, **ours, **record.step.environment_variables}
    if place.python is None:
        return environ
    from fanout.environments.build import environ_in

    return environ_in(place.python, environ)
