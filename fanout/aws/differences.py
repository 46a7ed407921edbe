"""How the pipeline that is to be deployed differs from the one in the store."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from fanout.aws.deployment import Deployment, dump, read_deployment
from fanout.code_snapshots.uses import forget_use
from fanout.errors import DamagedRecordError
from fanout.storage import keys
from fanout.storage.objects import put, read

if TYPE_CHECKING:
    from obstore.store import ObjectStore


async def how_record_differs(made: Deployment, store: "ObjectStore") -> str:
    """In words; "" when the same bytes are there."""
    there = await read(store, keys.deployment_json(made.name))
    if there is None:
        return "is new"
    if there == dump(made):
        return ""
    try:
        return "changes: " + ", ".join(changes(await read_deployment(store, made.name), made))
    except DamagedRecordError:
        return "replaces one that cannot be read"


async def note_code(made: Deployment, store: "ObjectStore") -> None:
    """What the deployment has brought is known when it is destroyed, also after later versions have replaced it.

    Its records keep the code from here on, in the place of the note that it was about to use it.
    """
    for digest in sorted(set(made.code.values())):
        await put(store, keys.deployment_code(made.name, digest), b"")
        await forget_use(store, digest, made.name)


def changes(before: Deployment, now: Deployment) -> Iterator[str]:
    """Each difference, in words. Pure."""
    steps = {step.name: step for step in before.pipeline.steps}
    for step in now.pipeline.steps:
        if step.name not in steps:
            yield f"step {step.name} is new"
            continue
        if step != steps.pop(step.name):
            yield f"step {step.name}"
        if before.code.get(step.name) != now.code.get(step.name):
            yield f"code of {step.name}"
    yield from (f"step {name} is gone" for name in steps)
    kept = ("datastores", "visibility", "max_receives")
    yield from (name for name in kept if getattr(before, name) != getattr(now, name))
    if replace(before.pipeline, steps=()) != replace(now.pipeline, steps=()):
        yield "what the file says of the whole pipeline"
    if before.fanout != now.fanout:
        yield f"fanout {before.fanout} -> {now.fanout}"
