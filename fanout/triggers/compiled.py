"""A pipeline that waits for objects: armed once, then asked of each event whether it starts a run."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from fanout.code_snapshots.archive import Snapshot
from fanout.config.settings import resolve_datastore
from fanout.errors import SettingsError
from fanout.files.byte_ranges import read_head
from fanout.pipeline.model import Pipeline, Trigger
from fanout.pipeline.yaml.parser import SIZE_LIMIT
from fanout.scheduler.code_folders import notices_of, store_snapshots, take_snapshots
from fanout.scheduler.context import RunContext
from fanout.tables.mltable_file import load_mltable
from fanout.triggers.event import ObjectEvent
from fanout.triggers.instantiate import Template, table_template
from fanout.triggers.loop_guard import GuardedPlace, own_places, plain, remember


@dataclass(frozen=True, slots=True)
class CompiledTrigger:
    """A trigger with its pipeline and code as they were when it was armed: every run it starts has these.

    `own` are the places that its runs write.
    """

    pipeline: Pipeline
    trigger: Trigger
    code: Mapping[str, str]  # digests of stored snapshots, by step
    own: tuple[GuardedPlace, ...] = ()
    template: Template = field(default_factory=dict)  # how objects of an mltable input are read
    notices: tuple[str, ...] = ()  # of the code that was stored
    snapshots: Mapping[str, Snapshot] = field(default_factory=dict)  # the code itself; none of a deployment's

    def ignores(self, event: ObjectEvent) -> str | None:
        """Why an object starts no run, in words; None when it does."""
        if event.root != self.trigger.root:
            return f"it is in {event.root}, not in {self.trigger.root}"
        if not event.key.startswith(self.trigger.prefix):
            return f"its key does not begin with {self.trigger.prefix}"
        if not event.key.endswith(self.trigger.suffix):
            return f"its key does not end with {self.trigger.suffix}"
        path = f"{plain(event.root)}/{event.key}"
        for place in self.own:
            if place.holds(path):
                return f"it is written by the runs themselves: {place.whose}"
        return None


async def compile_trigger(
    pipeline: Pipeline, context: RunContext, code: Mapping[str, str] | None = None
) -> CompiledTrigger:
    """The trigger of a pipeline that was loaded with `for_trigger=True`, ready to start runs.

    The code of its steps is stored, unless `code` says under which digests it is already, and where its runs write is
    noted in the store. SettingsError when they would write over all that is watched, InputError when a code folder
    cannot be read.
    """
    trigger = pipeline.trigger
    if trigger is None:
        raise SettingsError(f"{pipeline.file}: has no section 'trigger'")
    places = own_places(pipeline, trigger, context.settings)
    notices: list[str] = []
    taken: Mapping[str, Snapshot] = {}
    if code is None:
        taken = await take_snapshots(pipeline, context)
        code, notices = await store_snapshots(taken, context), notices_of(pipeline, taken)
    template = await asyncio.to_thread(_template, trigger, context)
    own = await remember(context.store, trigger.name, places)
    return CompiledTrigger(pipeline, trigger, code, own, template, tuple(notices), taken)


def _template(trigger: Trigger, context: RunContext) -> Template:
    if trigger.template is None:
        return {}
    table = load_mltable(resolve_datastore(trigger.template, context.settings), context.access)
    return table_template(read_head(table.uri, SIZE_LIMIT, context.access), table.uri)
