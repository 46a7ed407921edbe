"""What a trigger's runs write themselves: it never starts another one (pure but for `remember`)."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.config.settings import Settings, resolve_datastore
from fanout.errors import SettingsError
from fanout.files import uris
from fanout.pipeline.model import DataType, Output, Pipeline, Trigger
from fanout.pipeline.trigger import KEY_TOKEN, RUN_TOKEN
from fanout.records.codec import Record, Text
from fanout.storage import keys
from fanout.storage.objects import create, list_names, read

if TYPE_CHECKING:
    from obstore.store import ObjectStore


@dataclass(frozen=True, slots=True, order=True)
class GuardedPlace:
    """A folder (ends with a slash) or one file that runs write, in the form of `plain`, and whose it is."""

    path: Text
    whose: Text

    def holds(self, path: str) -> bool:
        """Whether an object there is the run's own."""
        return path.startswith(self.path) if self.path.endswith("/") else path == self.path


PLACES = Record(GuardedPlace, indent=None)


def plain(uri: str) -> str:
    """A URI in the one form that can be compared: decoded, without a slash at its end."""
    return uris.authority(uri) + uris.path_of(uri).rstrip("/")


def own_places(pipeline: Pipeline, trigger: Trigger, settings: Settings) -> tuple[GuardedPlace, ...]:
    """Where the runs of an armed pipeline write; SettingsError when all that is watched would be among it."""
    places = sorted({*_in_store(settings), *_of_outputs(pipeline, trigger, settings)})
    watched = f"{plain(trigger.root)}/{trigger.prefix}"
    for place in places:
        if place.path.endswith("/") and watched.startswith(place.path):
            raise SettingsError(
                f"{pipeline.file}: trigger: {place.whose} is {place.path}, which holds all that is watched "
                f"({watched}), so its own output would start the next run; put one of them into a folder of its own"
            )
    return tuple(places)


async def remember(store: "ObjectStore", trigger: str, places: tuple[GuardedPlace, ...]) -> tuple[GuardedPlace, ...]:
    """The places and those of earlier: a run that was started before the pipeline file changed still writes there."""
    for place in places:
        await create(store, _key(trigger, place), PLACES.dump(place))
    names = await list_names(store, keys.trigger_own(trigger))
    return tuple([await _recall(store, keys.trigger_own(trigger) + name) for name in names])


async def _recall(store: "ObjectStore", key: str) -> GuardedPlace:
    return PLACES.load(await read(store, key) or b"", key)


def _key(trigger: str, place: GuardedPlace) -> str:
    return keys.trigger_own(trigger) + hashlib.sha256(place.path.encode()).hexdigest()[:32]


def _in_store(settings: Settings) -> Iterator[GuardedPlace]:
    for name in keys.TOP_LEVEL:
        yield GuardedPlace(f"{plain(settings.store.rstrip('/'))}/{name}/", "the store of its runs")
    if settings.queue is not None and settings.queue.startswith("sqlite:"):
        yield GuardedPlace(f"{plain(settings.queue.removeprefix('sqlite:'))}/", "the folder of its queues")


def _of_outputs(pipeline: Pipeline, trigger: Trigger, settings: Settings) -> Iterator[GuardedPlace]:
    for step in pipeline.steps:
        for name, output in step.outputs.items():
            if output.uri is not None and (path := _path(output, trigger, settings)) is not None:
                yield GuardedPlace(path, f"output '{name}' of step '{step.name}'")


def _path(output: Output, trigger: Trigger, settings: Settings) -> str | None:
    """The folder or file that all runs together write; None when nothing of it can be among what is watched."""
    path = plain(resolve_datastore(output.uri or "", settings)).rstrip("/")
    found = [path.find(token) for token in (RUN_TOKEN, KEY_TOKEN) if token in path]
    is_file = output.type is DataType.URI_FILE
    if not found:
        return path if is_file else f"{path}/"
    tail = min((path.rpartition(token)[2] for token in (RUN_TOKEN, KEY_TOKEN) if token in path), key=len)
    if is_file and len(tail) >= len(trigger.suffix) and not tail.endswith(trigger.suffix):
        return None
    return path[: path.rfind("/", 0, min(found)) + 1]
