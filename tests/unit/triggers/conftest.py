"""What the tests of triggers share: an armed pipeline over a folder or a bucket, and an outside without servers."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fanout.clock import SystemClock
from fanout.config.settings import Settings
from fanout.engines.local import LocalEngine
from fanout.pipeline.load import load_pipeline
from fanout.queues.sqlite import SqliteQueueService
from fanout.scheduler.context import RunContext
from fanout.storage.access import Access
from fanout.storage.open import open_store
from fanout.triggers.compiled import CompiledTrigger, compile_trigger
from fanout.triggers.event import ObjectEvent
from fanout.triggers.objects import file_version

PIPELINE = """\
type: pipeline
trigger:
  name: score
  folder: ./in
  suffix: .txt
  input: files
inputs:
  files: {type: uri_folder}
outputs:
  scores: {type: uri_file}
jobs:
  score:
    type: parallel
    mini_batch_size: "1"
    inputs: {data: "${{parent.inputs.files}}"}
    outputs: {rows: "${{parent.outputs.scores}}"}
    input_data: ${{inputs.data}}
    task: {type: run_function, code: ./src, entry_script: score.py, append_row_to: "${{outputs.rows}}"}
"""


@dataclass
class Scene:
    """A folder with a pipeline file, and what its trigger reaches."""

    folder: Path
    context: RunContext

    async def compile_trigger(self, text: str = PIPELINE) -> CompiledTrigger:
        """The trigger of the pipeline file with this text."""
        path = self.folder / "pipeline.yml"
        path.write_text(text)
        return await compile_trigger(load_pipeline(path, for_trigger=True), self.context)

    def arrive(self, name: str, text: str = "x") -> ObjectEvent:
        """A file is in the watched folder, and this event tells of it."""
        path = self.folder / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return ObjectEvent(f"{self.folder.as_uri()}/in", name, etag=file_version(path.stat()))


@pytest.fixture
async def scene(tmp_path: Path, manual_clock: Any) -> AsyncIterator[Scene]:
    """An empty watched folder, and an entry script."""
    for name in ("in", "src"):
        (tmp_path / name).mkdir()
    (tmp_path / "src" / "score.py").write_text("def run(mini_batch): return mini_batch\n")
    store = f"{tmp_path.as_uri()}/store"
    access, clock = Access(), SystemClock()
    queues = SqliteQueueService(tmp_path / "store" / "queues", clock)
    settings = Settings(store)
    engine = LocalEngine(store, None, {})
    yield Scene(tmp_path, RunContext(settings, access, open_store(store, access), queues, engine, clock))
    await queues.close()


@pytest.fixture(scope="session")
def event() -> Callable[..., ObjectEvent]:
    """An event of the bucket `uploads`."""

    def make(key: str, etag: str | None = "e1", **fields: Any) -> ObjectEvent:
        return ObjectEvent("s3://uploads", key, etag=etag, **fields)

    return make


@pytest.fixture(scope="session")
def pipeline() -> str:
    """The text of the pipeline file."""
    return PIPELINE
