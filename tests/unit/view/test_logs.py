import pytest
from obstore.store import MemoryStore

from fanout.store.objects import put
from fanout.view.logs import LogChoice, LogReader

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
