"""Nodes as tasks of Slurm job arrays. Slurm puts them back into its queue when it preempts them or loses a machine."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanout.config.typed_table import typed
from fanout.engines.base import Placer, Seen, State, Wanted
from fanout.engines.programs import missing, output_of
from fanout.errors import EngineError

_WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "SUSPENDED", "STOPPED", "RESV_DEL_HOLD"}
_RUNNING = {"RUNNING", "COMPLETING", "STAGE_OUT", "SIGNALING", "RESIZING"}
_LOST = {"NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "REVOKED"}
_FIELDS = "ArrayJobID:|,ArrayTaskID:|,State:|,exit_code:|,Reason:|,NodeList:"
_PROGRAMS = ("sbatch", "squeue", "scancel")


@dataclass(frozen=True, slots=True)
class SlurmSettings:
    """`prelude`: shell lines before the node, such as `module load python`. `options`: further options of sbatch.

    `logs`: a folder that all machines see, for what nodes print; by default `.fanout/slurm` in the current folder.
    """

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    time: str | None = None
    options: tuple[str, ...] = ()
    prelude: str = ""
    logs: str | None = None


def open_placer(settings: Mapping[str, Any]) -> Placer:
    """The placer of the Slurm that `sbatch` here talks to."""
    return SlurmPlacer(typed(SlurmSettings, settings, "slurm"))


@dataclass(frozen=True, slots=True)
class SlurmPlacer(Placer):
    """One array job for the nodes that are placed together; the number of a node is its task's."""

    settings: SlurmSettings

    async def place(self, wanted: Wanted, numbers: Sequence[int]) -> None:
        known = await self.look(wanted)
        new = [number for number in numbers if number not in known]
        if new:
            await output_of(["sbatch", *self._options(wanted, new)], self._script(wanted), wanted.environ)

    async def look(self, wanted: Wanted) -> Mapping[int, Seen]:
        return {number: seen for number, _, seen in await self._tasks(wanted)}

    async def remove(self, wanted: Wanted, numbers: Sequence[int]) -> None:
        alive = (State.WAITING, State.RUNNING)
        tasks = [task for n, task, seen in await self._tasks(wanted) if n in set(numbers) and seen.state in alive]
        if tasks:
            await output_of(["scancel", *tasks])

    async def problems(self, wanted: Wanted, ask: Sequence[str]) -> Sequence[str]:  # noqa: ARG002 - it may wait for hours
        if lacking := missing(*_PROGRAMS):
            return lacking
        try:
            await output_of(["sbatch", "--test-only", *self._options(wanted, [0])], self._script(wanted))
        except EngineError as exc:
            return [str(exc)]
        return []

    async def _tasks(self, wanted: Wanted) -> list[tuple[int, str, Seen]]:
        """Number, name and state of each task; a task that was put back into the queue is there once."""
        text = await output_of(
            ["squeue", "--noheader", "--array", "--states=all", "--me", f"--name={wanted.group}", "-O", _FIELDS]
        )
        return list(_parsed(text, self._log))

    def _options(self, wanted: Wanted, numbers: Sequence[int]) -> list[str]:
        needs, settings = wanted.resources, self.settings
        given = {
            "job-name": wanted.group,
            "array": ",".join(map(str, numbers)),
            "ntasks": "1",
            "cpus-per-task": None if needs.cpus is None else str(max(1, round(needs.cpus))),
            "mem": None if needs.memory_mb is None else f"{needs.memory_mb}M",
            "gpus": None if needs.gpus is None else str(needs.gpus),
            "partition": settings.partition,
            "account": settings.account,
            "qos": settings.qos,
            "time": settings.time,
            "output": str(self._log("%A", "%a")),
            "signal": f"B:TERM@{max(1, round(wanted.grace))}",  # before its time limit, so that it drains
        }
        written = [f"--{name}={value}" for name, value in given.items() if value is not None]
        return ["--parsable", "--requeue", "--open-mode=append", *written, *settings.options]

    def _script(self, wanted: Wanted) -> str:
        # exec: signals of Slurm reach the node itself, and its exit code is the task's.
        return f"#!/bin/sh\n{self.settings.prelude}\nexec {shlex.join(wanted.command)}\n"

    def _log(self, job: str, task: str) -> Path:
        folder = Path(self.settings.logs).expanduser() if self.settings.logs else Path.cwd() / ".fanout" / "slurm"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{job}_{task}.txt"


def _parsed(text: str, log: Any) -> Iterator[tuple[int, str, Seen]]:
    for line in text.splitlines():
        parts = [part.strip() for part in line.split("|")]
        if len(parts) == 6 and parts[1].isdecimal():
            job, task, state, code, reason, machine = parts
            yield int(task), f"{job}_{task}", _seen(state, code, reason, machine, log(job, task))


def _seen(state: str, code: str, reason: str, machine: str, log: Path) -> Seen:
    if state in _WAITING:
        return Seen(State.WAITING, reason=reason)
    if state in _RUNNING:
        return Seen(State.RUNNING, reason=machine)
    if state in _LOST:
        return Seen(State.LOST, reason=f"Slurm: {state} on {machine}", notice=f"a node is lost: {state} on {machine}")
    status = int(code) if code.isdecimal() else 0  # as wait() gives it
    ended = -(status & 127) if status & 127 else status >> 8
    if state == "OUT_OF_MEMORY":
        notice = f"a node on {machine} was killed because memory ran out; memory in [engines] gives it more"
        return Seen(State.ENDED, ended or None, notice, notice=notice)
    return Seen(State.ENDED, ended, _last_line(log) or f"Slurm: {state} {reason} on {machine}")


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace")[-2000:].strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""
