"""`fanout run-one` of mini-batches whose files are elsewhere: they are brought here, and nothing of the run changes."""

from dataclasses import replace
from typing import Any

import pytest
from obstore.store import ObjectStore

from fanout.storage.access import Access
from fanout.storage.objects import list_keys, put
from fanout.storage.open import ensure_bucket, open_store

SCRIPT = """\
from pathlib import Path

def run(mini_batch, context):
    text = [Path(p).read_text() for p in mini_batch]
    print("read", text, [Path(p).name for p in mini_batch])
    if context.minibatch_index == 2:
        raise ValueError("the third is bad")
    return text
"""


async def _objects(store: ObjectStore) -> dict[str, int]:
    return {listed.key: listed.size async for listed in list_keys(store, "runs")}


async def test_files_on_s3(anywhere: Any) -> None:
    """From another folder, with the store alone: the file is brought, the traceback shown, the store left as it was."""
    if not anywhere.environ:
        pytest.skip("embedded runs read local files in place; tests/unit/cli/commands/test_run_one.py")
    settings = (anywhere.folder / "fanout.toml").read_text()
    root = settings.partition('store = "')[2].partition('"')[0].removesuffix("/runs")
    anywhere.write("src/score.py", SCRIPT)
    pipeline = (anywhere.folder / "pipeline.yml").read_text()
    anywhere.write(
        "pipeline.yml", pipeline.replace("path: ./in", f"path: {root}/in").replace("retries: 2", "retries: 0")
    )
    access = Access.from_environ(anywhere.environ)
    await ensure_bucket(root, access)
    bucket = open_store(root, access)
    for number in range(4):
        await put(bucket, f"in/{number}.txt", f"content {number}".encode())
    ended = anywhere.fanout("run", "pipeline.yml", "--name", "r")
    assert ended.code == 0, ended.said
    before = await _objects(bucket)
    elsewhere = replace(anywhere, folder=anywhere.folder / "elsewhere")
    elsewhere.folder.mkdir()
    (anywhere.folder / "src").rename(anywhere.folder / "gone")
    one = elsewhere.fanout("run-one", "r", "1", "--store", f"{root}/runs")
    assert one.code == 0, one.said
    assert "read ['content 1'] ['1.txt']\n" in one.stdout
    assert "run() returned a list of 1 element" in one.stdout
    bad = elsewhere.fanout("run-one", "r", "2", "--store", f"{root}/runs")
    assert bad.code == 1
    assert f'File "{anywhere.folder}/src/score.py", line 7, in run' in bad.stdout
    assert await _objects(bucket) == before
    told = anywhere.fanout("failures", "r")
    assert f"mini-batch 2: failed, 1 failed try: {root}/in/2.txt" in told.stdout
