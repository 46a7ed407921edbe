import os
import pty
import tty
from pathlib import Path
from typing import TextIO

import pytest
from obstore.store import MemoryStore

from fanout.cli.render.logs import log_writer
from fanout.queries.logs import LogChoice, LogReader
from fanout.storage.objects import put

LOGS = "runs/r/s/logs/"
NAMES = (
    "job_result.txt",
    "sys/node/0/_main.txt",
    "user/error.txt",
    "user/error/0/process000.txt",
    "user/stdout/0/process000.stdout.txt",
    "user/stdout/1/process000.stdout.txt",
    "user/stdout/1/process001.stdout.txt",
    "user/stderr/1/process001.stderr.txt",
    "user_logs/std_log.txt",
)


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        (LogChoice(), {2, 4, 5, 6, 8}),
        (LogChoice(stderr=True), {2, 7}),
        (LogChoice(node=1), {5, 6, 8}),
        (LogChoice(node=0, process="process000"), {3, 4, 8}),
        (LogChoice(process="process001", stderr=True), {7}),
    ],
)
def test_what_was_asked_for_is_chosen(choice: LogChoice, chosen: set[int]) -> None:
    """What scripts printed, of a node or process; tracebacks once, of all or of that process; never our own logs."""
    assert {n for n, name in enumerate(NAMES) if choice.chooses(name)} == chosen


async def test_tracebacks_come_first_and_files_have_headings() -> None:
    """As tail does it."""
    store, written = MemoryStore(), bytearray()
    await put(store, f"{LOGS}user/stdout/0/process000.stdout.txt", b"hello\n")
    await put(store, f"{LOGS}user/error.txt", b"ValueError\n")
    reader = LogReader(store, LOGS, LogChoice(), written.extend)
    assert await reader.pass_on() == 17
    assert written.decode() == (
        "==> user/error.txt <==\nValueError\n==> user/stdout/0/process000.stdout.txt <==\nhello\n"
    )


async def test_following_passes_on_what_is_new() -> None:
    """Each pass begins where the last one ended, without repeating the heading."""
    store, written = MemoryStore(), bytearray()
    reader = LogReader(store, LOGS, LogChoice(), written.extend)
    assert await reader.pass_on() == 0
    for text in (b"one\n", b"one\ntwo\n"):
        await put(store, f"{LOGS}user/stdout/0/process000.stdout.txt", text)
        await reader.pass_on()
    assert written.decode() == "==> user/stdout/0/process000.stdout.txt <==\none\ntwo\n"


def _terminal() -> tuple[int, TextIO]:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    return ours, os.fdopen(theirs, "w", encoding="utf-8")


SPOKEN = "a\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2J\x1b[1A ü 10%\r20%\r\nend\x9b\n".encode()


def test_logs_do_not_control_a_terminal() -> None:
    """Colours are left out, a progress bar becomes lines; what moves the cursor or sets a title is marked."""
    ours, stream = _terminal()
    with stream:
        write = log_writer(stream)
        write(SPOKEN)
        for byte in SPOKEN:  # however it is cut
            write(bytes([byte]))
        shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\x9b" not in shown
    assert "ared \ufffd]0;title\ufffd\ufffd[2J\ufffd[1A ü 10%\n20%\nend\ufffd\n" in shown


def test_logs_go_elsewhere_as_they_are(tmp_path: Path) -> None:
    """A file or a pipe gets every byte: programs read it, and `less -R` shows the colours."""
    with (tmp_path / "out").open("w") as stream:
        log_writer(stream)(SPOKEN + b"\xff\x00")
    assert (tmp_path / "out").read_bytes() == SPOKEN + b"\xff\x00"
