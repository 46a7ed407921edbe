"""Deployments: what is written is read again, and what a function could not reach or do is refused beforehand."""

from dataclasses import replace
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from fanout.aws.deployment import begin, read_deployment, with_inputs, write_deployment
from fanout.clock import SystemClock
from fanout.config.settings import Settings
from fanout.engines.local import LocalEngine
from fanout.errors import DamagedRecordError, InputError, RunError
from fanout.pipeline.load import load_pipeline
from fanout.pipeline.model import DataInput, Pipeline
from fanout.queues.sqlite import SqliteQueueService
from fanout.scheduler.context import RunContext
from fanout.storage import keys
from fanout.storage.access import Access
from fanout.storage.objects import put, read

PIPELINE = """\
type: pipeline
inputs:
  images: {{type: uri_folder, path: {images}}}
outputs:
  rows: {{type: uri_file, path: s3://results/rows.csv}}
jobs:
  score:
    type: parallel
    inputs: {{images: "${{{{parent.inputs.images}}}}"}}
    outputs: {{rows: "${{{{parent.outputs.rows}}}}"}}
    input_data: ${{{{inputs.images}}}}
    retry_settings: {{timeout: 120}}
    task: {{type: run_function, code: ./src, entry_script: score.py, append_row_to: "${{{{outputs.rows}}}}"}}
"""


def _pipeline(folder: Path, images: str = "s3://data/images") -> Pipeline:
    (folder / "src").mkdir(exist_ok=True)
    (folder / "src" / "score.py").write_text("def run(mini_batch): return mini_batch\n")
    (folder / "pipeline.yml").write_text(PIPELINE.format(images=images))
    return load_pipeline(folder / "pipeline.yml")


def _outside(folder: Path, store: str = "s3://runs/here") -> RunContext:
    access, clock = Access(), SystemClock()
    queues = SqliteQueueService(folder / "queues", clock)
    return RunContext(Settings(store), access, MemoryStore(), queues, LocalEngine(store, None, {}), clock)


async def test_what_is_written_is_read(tmp_path: Path) -> None:
    """The pipeline comes back as it was, and its code is in the store, by content."""
    context = _outside(tmp_path)
    written = await write_deployment("photos", _pipeline(tmp_path), context)
    assert await read_deployment(context.store, "photos") == written
    assert await read(context.store, keys.code(written.code["score"])) is not None


async def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    """Equal pipelines and equal code make equal deployments, byte for byte."""
    context = _outside(tmp_path)
    await write_deployment("photos", _pipeline(tmp_path), context)
    first = await read(context.store, keys.deployment_json("photos"))
    await write_deployment("photos", _pipeline(tmp_path), context)
    assert await read(context.store, keys.deployment_json("photos")) == first


async def test_what_a_function_cannot_reach_or_do_is_named(tmp_path: Path) -> None:
    """Everything at once: the store, an input, a time limit."""
    (tmp_path / "images").mkdir()
    context = _outside(tmp_path, f"file://{tmp_path}/store")
    with pytest.raises(InputError) as caught:
        await write_deployment("photos", _pipeline(tmp_path, "./images"), context, worker_seconds=140)
    for part in ("the store is", "step score: input images is", "retry_settings.timeout is 120 seconds"):
        assert part in str(caught.value)
    assert await read(context.store, keys.deployment_json("photos")) is None


async def test_a_deployment_that_is_not_there(tmp_path: Path) -> None:
    """It is said so, and how one is made."""
    with pytest.raises(RunError, match="no deployment named photos"):
        await read_deployment(MemoryStore(), "photos")


async def test_an_altered_deployment_is_refused(tmp_path: Path) -> None:
    """The message names the object."""
    store = MemoryStore()
    await put(store, keys.deployment_json("photos"), b'{"version": 2}')
    with pytest.raises(DamagedRecordError, match=r"deployments/photos/deployment\.json: version 2"):
        await read_deployment(store, "photos")


def test_inputs_of_the_pipeline_get_other_uris(tmp_path: Path) -> None:
    """Every step that uses the input gets it; a name that is not there is refused with the nearest one."""
    pipeline = with_inputs(_pipeline(tmp_path), {"images": "s3://data/new"})
    [bound] = pipeline.steps[0].inputs.values()
    assert isinstance(bound, DataInput)
    assert bound.uri == "s3://data/new"
    assert replace(bound, uri="s3://data/images") in _pipeline(tmp_path).steps[0].inputs.values()
    with pytest.raises(InputError, match=r"no data input 'image'.*images"):
        with_inputs(_pipeline(tmp_path), {"image": "s3://data/new"})


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("file:///etc", "on the machine of the function"),
        ("/etc/hostname", "on the machine of the function"),
        ("FILE:///etc", "on the machine of the function"),
        ("http://169.254.169.254/latest/", "where the deployed pipeline reads nothing"),
        ("https://elsewhere/images", "where the deployed pipeline reads nothing"),
    ],
)
async def test_inputs_given_by_hand_pass_the_same_checks(tmp_path: Path, uri: str, said: str) -> None:
    """What `deploy` would refuse is refused, and no run exists."""
    context = _outside(tmp_path)
    made = await write_deployment("photos", _pipeline(tmp_path), context)
    with pytest.raises(InputError, match=said):
        await begin(made, context, {"images": uri}, "r")
    assert await read(context.store, keys.run_json("r")) is None
    assert await begin(made, context, {"images": "s3://data/others"}, "r") == "r"
