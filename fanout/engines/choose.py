"""Which engine starts the nodes of a step: its compute says so by way of `fanout.toml`, or `--on` for all steps."""

import contextlib
import json
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from fanout.clock import Clock
from fanout.config.engine_settings import (
    BUILT_IN,
    LOCAL,
    EngineName,
    NodeSettings,
    bounds_of,
    check_engine,
    node_settings,
    plugins,
)
from fanout.config.settings import Settings
from fanout.engines.base import Engine, Load, Placer, ReadLoad, Resources, Wanted
from fanout.engines.elastic import Bounds
from fanout.engines.node_process import node_arguments
from fanout.engines.placed import PlacedNodes
from fanout.errors import SettingsError
from fanout.files import uris
from fanout.node.reach import Question, this_machine
from fanout.node.unsupervised import SIGNS_EVERY
from fanout.pipeline.data.locations import local_path
from fanout.pipeline.model import DataInput, ParallelStep, Step
from fanout.storage import keys
from fanout.storage.access import Access
from fanout.storage.keys import StepRound
from fanout.storage.objects import put
from fanout.supervision.workforce import Workforce
from fanout.tasks import beside, every
from fanout.version import __version__

if TYPE_CHECKING:
    from obstore.store import ObjectStore

ON = "on:"
"""What the compute of a step begins with when `--on` has named its engine: the run is resumed there, too."""
OpenPlacer = Callable[[Mapping[str, Any]], Placer]
"""What an entry point of the group `fanout.engines` names: a placer with its own settings of `[engines.NAME]`.

SettingsError says which of them is wrong.
"""


@dataclass(frozen=True, slots=True)
class EngineServices:
    """What engines need of a run."""

    settings: Settings
    access: Access
    store: "ObjectStore"
    clock: Clock


def engine_name(step: Step, settings: Settings) -> EngineName:
    """The engine of the step; a compute that `fanout.toml` does not name is this machine."""
    if settings.on is not None:
        return check_engine(settings.on, settings.engines, "--on")
    if step.compute is not None and step.compute.startswith(ON):
        return check_engine(step.compute.removeprefix(ON), settings.engines, "--on")
    if step.compute is None or step.compute not in settings.computes:
        return EngineName(LOCAL, LOCAL)
    return check_engine(settings.computes[step.compute], settings.engines, f"computes.{step.compute}")


def is_local(step: Step, settings: Settings) -> bool:
    """Whether nodes of the step are processes of this machine."""
    return engine_name(step, settings).engine == LOCAL


@dataclass(slots=True)
class StepEngines:
    """The engine of a run whose steps may each be elsewhere; those that say nothing are on this machine."""

    local: Engine
    services: EngineServices
    _placed: dict[EngineName, "PlacedEngine"] = field(default_factory=dict)

    async def check(self, steps: Sequence[Step]) -> None:
        problems: list[str] = []
        for step in steps:
            if isinstance(step, ParallelStep) and isinstance(engine := self._of(step), PlacedEngine):
                found = await engine.problems(step)
                problems += [line for one in found if (line := f"engine {engine.name}: {one}") not in problems]
        if problems:
            raise SettingsError("\n".join(problems))

    @contextlib.asynccontextmanager
    async def nodes(self, at: StepRound, step: ParallelStep, load: ReadLoad = Load) -> AsyncIterator[Workforce]:
        async with self._of(step).nodes(at, step, load) as workforce:
            yield workforce

    async def clear(self, at: StepRound, step: ParallelStep) -> None:
        await self._of(step).clear(at, step)

    async def close(self) -> None:
        """Gives back what engines hold on this machine."""
        for engine in self._placed.values():
            await engine.placer.close()

    def _of(self, step: ParallelStep) -> "Engine | PlacedEngine":
        name = engine_name(step, self.services.settings)
        if name.engine == LOCAL:
            return self.local
        if name not in self._placed:
            self._placed[name] = open_engine(name, self.services)
        return self._placed[name]


def open_engine(name: EngineName, services: EngineServices) -> "PlacedEngine":
    """The engine with its settings; SettingsError when one is wrong, or what the engine needs is not installed."""
    where = f"{services.settings.file or 'fanout.toml'}: engines.{name.name}"
    common, own = node_settings(services.settings.engines.get(name.name, {}), where)
    try:
        return PlacedEngine(name, _opener(name.engine)(own), common, services)
    except SettingsError as exc:
        raise SettingsError(f"{where}.{exc}") from exc


def _opener(engine: str) -> OpenPlacer:
    if engine in BUILT_IN:
        built_in: OpenPlacer = import_module(f"fanout.engines.{engine}").open_placer
        return built_in
    plugin: OpenPlacer = plugins()[engine].load()
    return plugin


@dataclass(frozen=True, slots=True)
class PlacedEngine:
    """Any placer as the engine of a step."""

    name: EngineName
    placer: Placer
    common: NodeSettings
    services: EngineServices

    async def problems(self, step: ParallelStep) -> Sequence[str]:
        """What keeps nodes of the step from being started there, a sentence each."""
        wanted = self.wanted(StepRound("check", step.name), step)
        folder = local_path(self.services.settings.store)
        if folder is None:
            return await self.placer.problems(wanted, self._asked(self._question(step)))
        folder.mkdir(parents=True, exist_ok=True)
        token = folder / f".reached-{secrets.token_hex(8)}"
        token.touch()
        try:
            return await self.placer.problems(wanted, self._asked(self._question(step, token.name)))
        finally:
            token.unlink(missing_ok=True)

    @contextlib.asynccontextmanager
    async def nodes(self, at: StepRound, step: ParallelStep, load: ReadLoad = Load) -> AsyncIterator[Workforce]:
        """As many nodes as the settings say, or `instance_count`; none is left at the end of the context."""
        bounds = Bounds(*bounds_of(self.common.nodes, step.instance_count))
        nodes = PlacedNodes(self.placer, self.wanted(at, step), bounds, load)
        async with self._signs_of_life(at):
            await nodes.start()
            try:
                yield nodes
            finally:
                await nodes.stop()

    async def clear(self, at: StepRound, step: ParallelStep) -> None:
        """Removes what an earlier process has placed for the step."""
        wanted = self.wanted(at, step)
        if numbers := tuple(await self.placer.look(wanted)):
            await self.placer.remove(wanted, numbers)

    def wanted(self, at: StepRound, step: ParallelStep) -> Wanted:
        """The nodes of the step, as the engine places them."""
        settings, common = self.services.settings, self.common
        alone = ["--alone", f"{common.alone:g}", *(["--machine", m] if (m := self._machine()) else [])]
        resources = Resources(common.cpus, common.memory_mb, common.gpus, common.image or step.environment.image)
        return Wanted(
            at,
            (*self._python, "-m", "fanout.node", *node_arguments(at, settings.store, settings.queue), *alone),
            {**self.services.access.child_environ(), **common.environment},
            resources,
            tuple(self._written),
            tuple(_local(_inputs(step))),
            settings.store,
            common.grace,
        )

    @property
    def _python(self) -> tuple[str, str]:
        return self.common.python or ("python" if self.placer.has_images else sys.executable), "-P"

    def _machine(self) -> str:
        """The machine that the queue is on; "" when nodes anywhere may use it."""
        settings = self.services.settings
        kind = (settings.queue or "").partition(":")[0]
        embedded = kind == "sqlite" or (not kind and local_path(settings.store) is not None)
        return this_machine() if embedded else ""

    @property
    def _written(self) -> list[str]:
        """Folders of this machine that nodes write: store and queue. The supervisor publishes outputs."""
        settings = self.services.settings
        queue = (settings.queue or "").removeprefix("sqlite:") if (settings.queue or "").startswith("sqlite:") else ""
        return list(filter(None, [str(local_path(settings.store) or ""), queue]))

    def _question(self, step: ParallelStep, token: str = "") -> Question:
        folders = tuple(_local(_inputs(step)))
        return Question(__version__, self.services.settings.store, token, self._machine(), folders)

    def _asked(self, question: Question) -> tuple[str, ...]:
        return (*self._python, "-m", "fanout.node.reach", question.text())

    @contextlib.asynccontextmanager
    async def _signs_of_life(self, at: StepRound) -> AsyncIterator[None]:
        """Nodes see that a process looks after them."""

        async def write() -> None:
            sign = json.dumps({"sign": secrets.token_hex(8)})
            await put(self.services.store, keys.supervised_json(at), sign.encode())

        await write()
        async with beside(every(SIGNS_EVERY, write, self.services.clock), "saying that nodes are looked after"):
            yield


def _inputs(step: ParallelStep) -> list[str]:
    return [given.uri for given in step.inputs.values() if isinstance(given, DataInput)]


def _local(found: Iterable[str]) -> list[str]:
    """The paths of those that are on this machine."""
    return [uris.to_path(uri) for uri in found if uri and uris.is_local(uri)]
