"""A sender without the key makes noise: nothing is read, nothing fails, and the output is the same."""

import asyncio
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from fanout.clock import SystemClock
from fanout.config.settings import load_settings
from fanout.queues.base import QueuePair, QueueService
from fanout.queues.factory import open_queue_service
from fanout.queues.step_queues import open_queues
from fanout.records import messages
from fanout.records.messages import Message
from fanout.security.signature import Signer, new_key
from fanout.storage.access import Access
from fanout.storage.keys import StepRound
from fanout.storage.open import open_store

RUN, STEP = "noisy", "score"
AT = StepRound(RUN, STEP)
FILES = 60
BOTH_WORLDS = pytest.mark.parametrize(
    "anywhere", ["embedded", pytest.param("localstack", marks=pytest.mark.localstack)], indirect=True
)


class Helpers(Protocol):
    """What conftest.py lends to this module."""

    wait_until: Callable[..., None]


@BOTH_WORLDS
async def test_a_sender_without_the_key_only_makes_noise(
    anywhere: Any, expected: Callable[[], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of the machine, URLs, mini-batches that do not exist, messages of other steps: all are dropped."""
    script = (anywhere.folder / "src" / "score.py").read_text()
    anywhere.write("src/score.py", script + SEEN)
    process = anywhere.start("run", "pipeline.yml", "--name", RUN)
    anywhere.wait_for_attempts(1, process)
    service, pair = await _queues(anywhere, monkeypatch)
    try:
        for _ in range(3):
            await pair.main.send(_forged())
            await pair.dead.send(_forged())
        async with asyncio.timeout(60):
            while process.poll() is None and await _visible(pair):  # noqa: ASYNC110 - other processes
                await asyncio.sleep(0.1)
        (anywhere.folder / "go").touch()
        stdout, stderr = process.communicate(timeout=90)
    finally:
        await service.close()
    assert process.returncode == 0, stdout + stderr
    assert anywhere.output() == expected()
    assert {index for index, _, _ in anywhere.attempts()} == set(range(FILES))
    status = json.loads(anywhere.fanout("status", RUN, "--json").stdout)
    [step] = status["steps"]
    assert step["counts"]["total"] == step["counts"]["succeeded"] == FILES, step
    told = anywhere.fanout("failures", RUN).stdout
    assert "because of a missing or wrong signature" in " ".join(told.split())
    assert not re.search(r"99999|hostname", told)


async def _visible(pair: QueuePair) -> int:
    """How much of what was sent has not been received yet."""
    return sum([(await queue.depth()).visible for queue in (pair.main, pair.dead)])


SEEN = """
ours = run
def run(mini_batch, context):
    while context.minibatch_index == 0 and not Path(os.environ["MARKS"]).with_name("go").exists():
        time.sleep(0.05)
    assert all("/etc/" not in str(path) and "169.254" not in str(path) for path in mini_batch), mini_batch
    return ours(mini_batch, context)
"""


async def _queues(project: Any, patch: pytest.MonkeyPatch) -> tuple[QueueService, QueuePair]:
    with patch.context() as inside:
        inside.chdir(project.folder)
        settings = load_settings(project.folder, None, {**os.environ, **project.environ})
    access = Access.from_environ(project.environ)
    store = open_store(settings.store, access)
    service = open_queue_service(settings.queue, settings.store, access, SystemClock())
    pair = await open_queues(store, service, AT, settings.store)
    assert pair is not None
    return service, pair


def _forged() -> list[str]:
    def line(index: int, uri: str) -> str:
        return json.dumps({"index": index, "files": [uri], "items": 1}, separators=(",", ":"))

    here = Path(__file__).as_uri()
    return [
        messages.encode(Message(AT, 0, 0, line=line(0, "file:///etc/hostname"))),
        messages.encode(Message(AT, 1, 0, line=line(1, "http://169.254.169.254/latest/meta-data/"))),
        messages.encode(Message(AT, 99999, 0, line=line(99999, here))),
        messages.encode(Message(AT, 2, 7, line=line(2, "file:///etc/hostname")), Signer(new_key())),
        messages.encode(Message(StepRound("another", STEP), 0, 0, line=line(0, here)), Signer(new_key())),
        json.dumps({"message": "?", "reason": "hostname"}),
        "noise",
    ]
