"""One process that carries out run after run, as a program that embeds fanout does."""

import asyncio
import gc
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from fanout.clock import SystemClock
from fanout.config.settings import load_settings
from fanout.engines.local import LocalEngine
from fanout.pipeline.load import load_pipeline
from fanout.pipeline.model import Step
from fanout.queues.factory import open_queue_service
from fanout.scheduler.context import RunContext
from fanout.scheduler.observer import RunReport, StepReport
from fanout.scheduler.resident import start
from fanout.storage.access import Access
from fanout.storage.open import ensure_bucket, open_store
from fanout.supervision.progress import Progress
from tests.chaos.scene import Scene
from tests.soak.readings import Growth, Reading, growth, read_process


@dataclass(slots=True)
class Silent:
    """Watches a run and says nothing; `verdicts` of all that have ended."""

    verdicts: list[str] = field(default_factory=list)

    def run_started(self, run: str, steps: tuple[Step, ...], resumed: bool, how: str = "") -> None: ...
    def notice(self, text: str) -> None: ...
    def step_started(self, step: Step) -> None: ...
    def step_progress(self, progress: Progress) -> None: ...
    def step_printed(self, step: Step, text: str) -> None: ...
    def step_ended(self, report: StepReport) -> None: ...
    def step_skipped(self, step: Step, reason: str) -> None: ...

    def run_ended(self, report: RunReport) -> None:
        self.verdicts.append(str(report.verdict.status))


async def one_run(scene: Scene, name: str, observer: Silent) -> None:
    """A whole run, with everything opened for it and closed after it."""
    settings = load_settings(scene.folder, None, scene.environ)
    access, clock = Access.from_environ(scene.environ), SystemClock()
    store = open_store(settings.store, access)
    await ensure_bucket(settings.store, access)
    queues = open_queue_service(settings.queue, settings.store, access, clock)
    environ = {**access.child_environ(), **scene.environ, "NOTES": str(scene.notes)}
    engine = LocalEngine(settings.store, settings.queue, environ)
    try:
        context = RunContext(settings, access, store, queues, engine, clock)
        await start(load_pipeline(scene.folder / "pipeline.yml"), context, observer, name)
    finally:
        await queues.close()


def watch_many_runs(scene: Scene, seconds: float, least: int = 10) -> tuple[Growth | None, int]:
    """Runs for that long, and at least so many; how this process has grown, and how many runs it has seen."""
    observer, readings = Silent(), list[Reading]()
    begun = time.monotonic()

    async def all_of_them() -> None:
        while time.monotonic() - begun < seconds or len(readings) < least:
            await one_run(scene, f"{scene.run}-{len(readings)}", observer)
            gc.collect()
            reading = read_process(os.getpid())
            assert reading is not None
            readings.append(reading)

    asyncio.run(all_of_them())
    assert set(observer.verdicts) == {"Completed"}, observer.verdicts
    assert scene.output() == scene.expected()
    return growth("embedding process", readings), len(readings)


def left_in(folder: Path) -> list[str]:
    """Scratch folders and queues that runs have left in their store."""
    return sorted(str(path.relative_to(folder)) for name in ("scratch", "queues") for path in folder.glob(f"{name}/*"))
