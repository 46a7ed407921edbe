"""Carries out a command step: runs the command, seals the step, and publishes its outputs.

`carry_out` waits for the command to end; only one process of a run calls it. `carry_out_apart` is for workers. A worker
gets the command in a message, which may arrive twice, so each run of the command writes its outputs to a place of its
own. The seal names the run that counts, and only the outputs of that run are published.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fanout.files import uris
from fanout.files.transfer import some_at_once
from fanout.output.output_files import move
from fanout.pipeline.model import CommandStep, DataType
from fanout.records.cancelation import Cancelation, until_canceled
from fanout.records.node_registration import register
from fanout.records.run import RunRecord
from fanout.records.seal import Seal, seal, step_seal
from fanout.records.step import BoundOutput
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.scheduler.bindings import Binding
from fanout.scheduler.context import RunContext
from fanout.scheduler.observer import RunObserver, StepReport
from fanout.shell_commands.artifacts import NAMED, OUTPUTS
from fanout.shell_commands.runner import CommandEnd, CommandOrder, run_command
from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import list_keys, put, read
from fanout.tasks import beside

if TYPE_CHECKING:
    import asyncio


def command_verdict(end: CommandEnd) -> Verdict:
    """Returns the verdict of a command step whose command ended so."""
    if end.reason is None:
        return Verdict(VerdictStatus.COMPLETED, "exit code 0")
    return Verdict(VerdictStatus.CANCELED if end.canceled else VerdictStatus.FAILED, end.reason)


@dataclass(frozen=True, slots=True)
class CommandRun:
    """One command step of one run, with all that is needed to carry it out."""

    run: RunRecord
    step: CommandStep
    binding: Binding
    context: RunContext
    observer: RunObserver

    async def carry_out(self) -> StepReport:
        """Runs the command and seals the step, unless that was done before; returns the report of the step's end."""
        sealed = await self.ended()
        if sealed is not None:
            return self.report(sealed, earlier=True)
        if (
            before := await step_seal(self.context.store, self._at)
        ) is not None:  # a worker has left the rest to others
            await self.conclude(before)
            return self.report(before, earlier=True)
        self.observer.step_started(self.step)
        begun = self.context.clock.monotonic()
        async with self._until_canceled() as canceled:
            end = await run_command(
                self._order,
                self.context.store,
                self.context.access,
                canceled,
                on_line=lambda text: self.observer.step_printed(self.step, text),
            )
        sealed = await self._seal(end, begun)
        return self.report(sealed, said="" if sealed.verdict.completed else end.said, artifacts=end.artifacts)

    async def carry_out_apart(self, seconds: float) -> Seal:
        """Does the same as `carry_out` while other processes may do it, too; returns the seal.

        A command that takes longer than `seconds` has failed.
        """
        sealed = await step_seal(self.context.store, self._at)
        if sealed is None:
            begun, store = self.context.clock.monotonic(), self.context.store
            number = await register(store, self._at)
            order = self._order
            if self.step.timeout is None or self.step.timeout > seconds:
                order = replace(order, step=replace(self.step, timeout=seconds))
            async with self._until_canceled() as canceled:
                end = await run_command(order, store, self.context.access, canceled, self._apart(number))
            sealed = await self._seal(end, begun, {number: 1})
        await self.conclude(sealed)
        return sealed

    async def ended(self) -> Seal | None:
        """Returns the seal once everything that follows from it is done; None before that."""
        sealed = await step_seal(self.context.store, self._at)
        if sealed is None or (sealed.objects and await read(self.context.store, keys.concluded_json(self._at)) is None):
            return None
        return sealed

    async def conclude(self, sealed: Seal) -> None:
        """Moves the outputs of the run of the command that the seal names to their places. It may be called again."""
        if sealed.verdict.completed:
            for number in sealed.objects:
                await some_at_once([self._publish(name, number) for name in self.binding.outputs])
        await put(self.context.store, keys.concluded_json(self._at), b"{}")

    def report(self, sealed: Seal, *, said: str = "", earlier: bool = False, artifacts: int = 0) -> StepReport:
        """Returns the report of the step's end."""
        outputs = {name: output.uri for name, output in self.binding.outputs.items()}
        if artifacts:  # what it left in ./outputs
            outputs[NAMED] = f"{self.context.settings.store.rstrip('/')}/{keys.artifacts(self._at)}{OUTPUTS}"
        return StepReport(
            step=self.step,
            seal=sealed,
            outputs=outputs if sealed.verdict.completed else {},
            error=said,
            logs=f"{self.context.settings.store.rstrip('/')}/{keys.logs(self._at)}",
            code=self.step.code,
            earlier=earlier,
        )

    @property
    def _at(self) -> StepRound:
        return self.run.at(self.step.name)

    @property
    def _order(self) -> CommandOrder:
        code = self.run.code.get(self.step.name)
        return CommandOrder(self._at, self.step, self.binding.inputs, self.binding.outputs, code)

    @contextlib.asynccontextmanager
    async def _until_canceled(self) -> AsyncIterator["asyncio.Task[Cancelation]"]:
        run, clock = self.run, self.context.clock
        looking = until_canceled(self.context.store, run.name, run.round, clock)
        async with beside(looking, "looking whether the run is canceled") as watching:
            yield watching

    async def _seal(self, end: CommandEnd, begun: float, objects: Mapping[int, int] | None = None) -> Seal:
        verdict, clock = command_verdict(end), self.context.clock
        mine = Seal(verdict, Counts(total=None), objects or {}, at=clock.now(), seconds=clock.monotonic() - begun)
        return await seal(self.context.store, keys.verdict(self._at), mine)

    def _apart(self, number: int) -> dict[str, BoundOutput]:
        """Returns the outputs with URIs in a place that only this run of the command uses."""
        place = f"{self.context.settings.store.rstrip('/')}/{keys.staged_command(self._at, number)}"
        found = {}
        for name, output in self.binding.outputs.items():
            file = f"/{_file_name(output)}" if output.type is DataType.URI_FILE else ""
            found[name] = replace(output, uri=f"{place}{name}{file}")
        return found

    async def _publish(self, name: str, number: int) -> None:
        output, prefix = self.binding.outputs[name], f"{keys.staged_command(self._at, number)}{name}/"
        is_file = output.type is DataType.URI_FILE
        jobs = [
            move(
                self.context.store,
                found.key,
                output.uri if is_file else uris.join(output.uri, found.key.removeprefix(prefix)),
                self.context.access,
            )
            async for found in list_keys(self.context.store, prefix)
        ]
        await some_at_once(jobs)


def _file_name(output: BoundOutput) -> str:
    return output.uri.rstrip("/").rpartition("/")[2]
