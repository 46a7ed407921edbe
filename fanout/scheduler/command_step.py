"""A command step: the command, the seal, and what follows from it.

`carry_out` stays with the command to its end, and only one process of a run does that. A worker gets it in a message,
which may come twice: there each run of the command leaves its outputs in a place of its own, the seal names the one
that counts, and only that is published.
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
    """The verdict of a command step."""
    if end.reason is None:
        return Verdict(VerdictStatus.COMPLETED, "exit code 0")
    return Verdict(VerdictStatus.CANCELED if end.canceled else VerdictStatus.FAILED, end.reason)


@dataclass(frozen=True, slots=True)
class CommandRun:
    """One command step of one run, and what it needs to be carried out."""

    run: RunRecord
    step: CommandStep
    binding: Binding
    context: RunContext
    observer: RunObserver

    async def carry_out(self) -> StepReport:
        """The command has ended and the step is sealed, whether that happens now or was so before."""
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
        """As `carry_out`, beside others that may do the same, and within `seconds`: then the command has failed."""
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
        """The seal, once all that follows from it is done; None before."""
        sealed = await step_seal(self.context.store, self._at)
        if sealed is None or (sealed.objects and await read(self.context.store, keys.concluded_json(self._at)) is None):
            return None
        return sealed

    async def conclude(self, sealed: Seal) -> None:
        """The outputs of the run of the command that the seal names are where they belong. May be done again."""
        if sealed.verdict.completed:
            for number in sealed.objects:
                await some_at_once([self._publish(name, number) for name in self.binding.outputs])
        await put(self.context.store, keys.concluded_json(self._at), b"{}")

    def report(self, sealed: Seal, *, said: str = "", earlier: bool = False, artifacts: int = 0) -> StepReport:
        """The report of the step's end."""
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
        """The outputs in a place of this run of the command alone."""
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
