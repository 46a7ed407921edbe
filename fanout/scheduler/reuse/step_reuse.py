"""Takes over what a step of an earlier run made, when it was made from the same (reference, section 1).

Every run remembers what its steps were made from and how they ended. Results are taken over only in runs with
`force_rerun: false`, for two reasons: what a script reads besides (the environment of the shell, the time, a web page)
is not known here, and a command that a user types is carried out unless the pipeline file says otherwise.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fanout.code_snapshots.archive import differences as changed_between
from fanout.errors import DamagedRecordError, InputError, StoreError
from fanout.pipeline.model import DataType, ParallelStep, Step
from fanout.planning.item_versions import read_versions
from fanout.records.code_change import CodeChange, code_changes
from fanout.records.run import RunRecord
from fanout.records.seal import step_seal
from fanout.records.step import BoundOutput
from fanout.scheduler.bindings import Binding
from fanout.scheduler.context import RunContext
from fanout.scheduler.data_identity import ABSENT, identity
from fanout.scheduler.observer import StepReport
from fanout.scheduler.reuse.differences import differences
from fanout.scheduler.reuse.made_from import (
    MADE_FROM,
    ORIGINS,
    REMEMBERED,
    MadeFrom,
    Remembered,
    begun_with,
    made_from,
    name_of,
)
from fanout.scheduler.reuse.taken_over import EARLIER, Earlier, taken_over
from fanout.storage import keys
from fanout.storage.objects import create, put, read

UNASKED = 10_000
"""Files of an input that are looked at for later runs unasked: they take a tenth of a second of CPU."""


@dataclass(slots=True)
class StepReuse:
    """One step that may take over what an earlier one made, and that may be taken over itself."""

    record: RunRecord
    step: Step
    binding: Binding
    context: RunContext
    made_from: MadeFrom | None = None
    """What the step began with; None where that is not known."""
    reason: str | None = None
    """Why nothing is taken over, where it was wanted."""

    async def find(self) -> Earlier | None:
        """Returns what the step takes over; None when it has to run. Another supervisor gets the same answer."""
        store, at = self.context.store, self.record.at(self.step.name)
        if (earlier := await taken_over(store, at)) is not None:
            return earlier
        if self.record.round > 1 or await self._has_begun():
            return None  # redrives do what they say
        if (hindrance := self._hindrance) is not None:
            self.reason = hindrance
            return None
        self.made_from = await asyncio.to_thread(self._look)
        await put(store, keys.made_from_json(at), MADE_FROM.dump(self.made_from))
        if self.is_wanted:
            return await self._take_over(self.made_from)
        return None

    @property
    def is_wanted(self) -> bool:
        """Whether what an earlier run made may be used as this run's results."""
        return self.record.pipeline.force_rerun is False

    @property
    def _hindrance(self) -> str | None:
        """Why the step cannot be compared with others at all; None when it can."""
        if not self.step.is_deterministic:
            return "it says is_deterministic: false"
        if isinstance(self.step, ParallelStep) and self.record.code.get(self.step.name) is None:
            return "its entry script is in an installed module, of which no version is known"
        return None

    async def _take_over(self, made: MadeFrom) -> Earlier | None:
        harmed = None
        if made.is_known:
            earlier, harmed = await self._noted(made)
            if earlier is not None and await create(
                self.context.store, keys.reused(self.record.at(self.step.name)), EARLIER.dump(earlier)
            ):
                return earlier
        if not await self._takes_items(made):
            self.reason = await self._explained(made, harmed)
        return None

    async def _takes_items(self, made: MadeFrom) -> bool:
        """Returns whether results of an earlier run are taken over mini-batch by mini-batch; notes that run, once."""
        if (data := self._cut_input) is None:
            return False
        store, before = self.context.store, await self._remembered(keys.reusable(made.without_data(data).digest))
        if before is None or not any(True for _ in await read_versions(store, before.origin.planned_at, 0)):
            return False
        await create(store, keys.known_json(self.record.at(self.step.name)), ORIGINS.dump(before.origin))
        return True

    async def remember(self, report: StepReport) -> None:
        """Notes what the step was made from and how it ended; when all of it succeeded, also what it made.

        Inputs are not looked at again, because data that has changed meanwhile never has its former identity again.
        """
        made = self.made_from or await begun_with(self.context.store, self.record.at(self.step.name))
        if made is None or self.record.round > 1:
            return
        if self._code_changes(await code_changes(self.context.store, self.record.name)):
            return  # another supervisor has brought other code, and some of the results may come from that
        counts, store = report.seal.counts, self.context.store
        completed = report.seal.verdict.completed
        mine = Remembered(self.record.name, self.step.name, made, completed, counts.succeeded, counts.lost)
        await put(store, keys.reusable(self._name), REMEMBERED.dump(mine))
        if (data := self._cut_input) is not None:
            await self._remember_items(keys.reusable(made.without_data(data).digest), mine)
        if not mine.is_whole or counts.items_failed or not made.is_known:
            return
        outputs = self.binding.outputs
        identities = {name: await self._identity(output) for name, output in outputs.items()}
        if None in identities.values():
            return
        known = {name: found for name, found in identities.items() if found is not None}
        result = Earlier(self.record.name, self.step.name, dict(outputs), known, counts)
        await put(store, keys.reusable(made.digest), EARLIER.dump(result))

    async def _remember_items(self, key: str, mine: Remembered) -> None:
        """Lets later runs take over items from this run, unless an earlier run has more of them."""
        before = None if mine.is_whole else await self._remembered(key)
        if before is None or before.succeeded <= mine.succeeded:
            await put(self.context.store, key, REMEMBERED.dump(mine))

    @property
    def _cut_input(self) -> str | None:
        """The name of the input whose items are independent: it is only cut into mini-batches. None without one."""
        name = self.step.input_data if isinstance(self.step, ParallelStep) else ""
        return name if name in self.binding.inputs and self._is_cut(name) else None

    @property
    def _name(self) -> str:
        return name_of(self.record.pipeline.file, self.step.name)

    def _code_changes(self, changes: Sequence[CodeChange]) -> bool:
        """Returns whether the step's code was replaced during the run."""
        return any(self.step.name in change.code for change in changes)

    async def _has_begun(self) -> bool:
        """Returns whether an earlier supervisor has begun the step; its inputs may have changed since then."""
        store, at = self.context.store, self.record.at(self.step.name)
        begun = keys.step_json(at) if isinstance(self.step, ParallelStep) else keys.handed_json(at)
        return await step_seal(store, at) is not None or await read(store, begun) is not None

    async def _noted(self, made: MadeFrom) -> tuple[Earlier | None, str | None]:
        """Returns what an earlier run made from the same; or None, and why it cannot be used if there is something."""
        key = keys.reusable(made.digest)
        body = await read(self.context.store, key)
        if body is None:
            return None, None
        try:
            earlier = EARLIER.load(body, key)
        except DamagedRecordError:
            return None, None  # it is written anew when the step has run
        if earlier.outputs.keys() != self.binding.outputs.keys():
            return None, None
        for name, output in earlier.outputs.items():
            if await self._identity(output) != earlier.identities[name]:
                return None, f"output {name} of run {earlier.run} is not there any more as that run left it"
        if not await self._keeps(earlier.run):
            return None, f"run {earlier.run} is being removed"
        return earlier, None

    async def _keeps(self, run: str) -> bool:
        """Returns whether that run's results stay as long as this run exists.

        This run's note is written before this method looks for a removal. A removal is noted before it looks for such
        notes.
        """
        store = self.context.store
        await put(store, f"{keys.run_uses(run)}{self.record.name}", b"")
        return await read(store, keys.removal(run)) is None and await read(store, keys.run_json(run)) is not None

    async def _explained(self, made: MadeFrom, harmed: str | None) -> str:
        """Returns a sentence that says why nothing is taken over."""
        before = await self._remembered(keys.reusable(self._name))
        if harmed is not None:
            return harmed
        if before is None:
            return "no earlier run of this step is known in this store"
        since = f"since run {before.run}"
        found = differences(before.made_from, made, await self._changed_files(before.made_from, made), {})
        if found:
            return f"{since}: {'; '.join(found)}"
        if not before.is_whole:
            return f"run {before.run} did not complete with all of it"
        return f"an input or output of run {before.run} changed while it ran"

    async def _remembered(self, key: str) -> Remembered | None:
        """Returns what is noted under `key` of a step of an earlier run; None when nothing is, or it cannot be read."""
        body = await read(self.context.store, key)
        try:
            return None if body is None else REMEMBERED.load(body, key)
        except DamagedRecordError:
            return None

    async def _changed_files(self, before: MadeFrom, now: MadeFrom) -> Sequence[str]:
        if before.code is None or now.code is None or before.code == now.code:
            return ()
        archives = [await read(self.context.store, keys.code(digest)) for digest in (before.code, now.code)]
        return () if None in archives else changed_between(*filter(None, archives))

    async def _identity(self, output: BoundOutput) -> str | None:
        # Whatever an output is said to be, what is there is compared, all of it.
        kind = DataType.URI_FILE if output.type is DataType.URI_FILE else DataType.URI_FOLDER
        return await asyncio.to_thread(self._looked_at, output.uri, kind, as_rows=False)

    def _looked_at(self, uri: str, kind: DataType, *, as_rows: bool) -> str | None:
        most = None if self.record.pipeline.force_rerun is not None else UNASKED
        try:
            return identity(uri, kind, self.context.access, as_rows=as_rows, most=most)
        except (InputError, StoreError, OSError):
            return None

    def _look(self) -> MadeFrom:
        """Returns everything that the step is made from now."""
        identities: Mapping[str, str | None] = {
            name: None if found == ABSENT else found
            for name, bound in self.binding.inputs.items()
            if bound.uri is not None
            for found in [self._looked_at(bound.uri, bound.type, as_rows=self._is_cut(name))]
        }
        code = self.record.code.get(self.step.name)
        return made_from(self.step, code, self.binding, identities, self.context.settings)

    def _is_cut(self, name: str) -> bool:
        """Returns whether the input is cut into mini-batches and not used in any other way."""
        step = self.step
        if not isinstance(step, ParallelStep) or step.input_data != name:
            return False
        return f"inputs.{name}" not in step.task.program_arguments
