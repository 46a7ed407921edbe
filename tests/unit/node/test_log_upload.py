"""Logs of a node far from its store are there even when the node never comes to say goodbye."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from obstore.store import MemoryStore

from fanout.errors import StoreError
from fanout.node import log_upload
from fanout.node.log_upload import KEEP_EVERY, SMALL, LogKeeper, kept_now_and_then, worth_keeping
from fanout.storage.objects import read


@pytest.fixture
def keeper(tmp_path: Path) -> LogKeeper:
    """Of a folder of logs that a script has written to."""
    (tmp_path / "logs" / "user").mkdir(parents=True)
    (tmp_path / "logs" / "user" / "out.txt").write_text("first\n")
    return LogKeeper(tmp_path / "logs", tmp_path / "spare", MemoryStore(), "runs/r/s/logs/", ("hunter22",))


@pytest.mark.parametrize(
    ("size", "kept", "worth"),
    [
        (0, 0, False),
        (1, 0, True),
        (10, 10, False),
        (11, 10, True),
        (SMALL, SMALL - 1, True),
        (2 * SMALL, SMALL, True),
        (3 * SMALL - 1, 2 * SMALL, False),
        (3 * SMALL, 2 * SMALL, True),
    ],
)
def test_long_logs_are_taken_when_they_have_grown(size: int, kept: int, worth: bool) -> None:
    """A short one whenever it has changed, so that a log of any length costs at most three times itself."""
    assert worth_keeping(size, kept) is worth


async def test_whole_lines_without_secrets_are_kept(keeper: LogKeeper) -> None:
    """Half a line may be half a credential, and waits for its end; the log itself is left alone."""
    path = keeper.logs / "user" / "out.txt"
    path.write_text("the password is hunter22\nand again hunt")
    await keeper.keep()
    assert await read(keeper.store, "runs/r/s/logs/user/out.txt") == b"the password is ********\n"
    assert path.read_text().endswith("hunt")
    path.write_text(path.read_text() + "er22\n")
    await keeper.keep()
    assert await read(keeper.store, "runs/r/s/logs/user/out.txt") == (b"the password is ********\nand again ********\n")


async def test_logs_are_kept_while_the_node_works(keeper: LogKeeper, manual_clock: Any) -> None:
    """Whoever kills the node finds what it had said until a short while before."""
    async with kept_now_and_then(keeper, manual_clock):
        await asyncio.sleep(0)
        manual_clock.advance(KEEP_EVERY + 0.1)
        async with asyncio.timeout(20):
            while await read(keeper.store, "runs/r/s/logs/user/out.txt") is None:  # noqa: ASYNC110 - a thread copies
                await asyncio.sleep(0.01)
    assert await read(keeper.store, "runs/r/s/logs/user/out.txt") == b"first\n"


async def test_trouble_is_a_warning_and_made_good(
    keeper: LogKeeper, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that refuses now does not end the node; the next look tries again."""
    upload = log_upload.upload_file

    async def refuse(*_: object) -> None:
        raise StoreError("cannot write it now")

    monkeypatch.setattr(log_upload, "upload_file", refuse)
    await keeper.keep()
    assert "could not be kept so far: cannot write it now" in caplog.text
    monkeypatch.setattr(log_upload, "upload_file", upload)
    await keeper.keep()
    assert await read(keeper.store, "runs/r/s/logs/user/out.txt") == b"first\n"


async def test_before_the_first_line(keeper: LogKeeper, tmp_path: Path) -> None:
    """Without logs there is nothing to do."""
    empty = LogKeeper(tmp_path / "none", tmp_path / "spare", MemoryStore(), "p/", ())
    await empty.keep()
    async with kept_now_and_then(None, None):  # type: ignore[arg-type]
        pass
