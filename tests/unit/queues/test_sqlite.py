"""The embedded queue where it is more than the contract: files, processes, order, time."""

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.clock import SystemClock
from fanout.errors import QueueError
from fanout.queues import sqlite_file
from fanout.queues.base import Depth
from fanout.queues.sqlite import SqliteQueueService

VISIBILITY = 30.0


@pytest.fixture
async def service(tmp_path: Path, manual_clock: Any) -> AsyncIterator[SqliteQueueService]:
    """Embedded queues in a folder of the test, on a clock turned by hand."""
    service = SqliteQueueService(tmp_path / "queues", manual_clock)
    yield service
    await service.close()


async def test_oldest_due_comes_first(service: SqliteQueueService, manual_clock: Any) -> None:
    """Order is by when a message became due, not by when it was sent."""
    queue = (await service.create("q", visibility=VISIBILITY, max_receives=5)).main
    await queue.send(["late"], delay=2)
    await queue.send(["early"], delay=1)
    await queue.send(["now"])
    manual_clock.advance(5)
    assert [d.body for _ in range(3) for d in await queue.receive(1, 0)] == ["now", "early", "late"]


async def test_receipt_is_stale_after_another_receive(service: SqliteQueueService, manual_clock: Any) -> None:
    """Whoever let the visibility run out can neither extend nor delete what somebody else holds now."""
    queue = (await service.create("q", visibility=VISIBILITY, max_receives=5)).main
    await queue.send(["one"])
    [first] = await queue.receive(1, 0)
    manual_clock.advance(VISIBILITY)
    [second] = await queue.receive(1, 0)
    assert await queue.extend([first, second], 10) == [first]
    await queue.delete([first])
    assert await queue.depth() == Depth(visible=0, held=1, delayed=0)


async def test_expired_delivery_is_lost_before_anybody_took_it(service: SqliteQueueService, manual_clock: Any) -> None:
    """As with SQS an expired delivery cannot be extended, but still be deleted while nobody else has it."""
    queue = (await service.create("q", visibility=VISIBILITY, max_receives=5)).main
    await queue.send(["one"])
    held = await queue.receive(1, 0)
    manual_clock.advance(VISIBILITY + 1)
    assert await queue.extend(held, 10) == held
    await queue.delete(held)
    assert (await queue.depth()).total == 0


async def test_receipt_of_a_deleted_message_names_no_later_one(service: SqliteQueueService) -> None:
    """Row numbers come again, receipts never do."""
    queue = (await service.create("q", visibility=VISIBILITY, max_receives=5)).main
    await queue.send(["one"])
    old = await queue.receive(1, 0)
    await queue.delete(old)
    await queue.send(["two"])
    [new] = await queue.receive(1, 0)
    await queue.delete(old)
    assert await queue.extend([new], 10) == []


async def test_dead_lettering_happens_at_receive(service: SqliteQueueService, manual_clock: Any) -> None:
    """A crowd of worn messages goes to the dead-letter queue in one call, which delivers what lies behind."""
    pair = await service.create("q", visibility=VISIBILITY, max_receives=1)
    await pair.main.send([f"worn {number}" for number in range(20)])
    assert len(await pair.main.receive(20, 0)) == 20
    manual_clock.advance(VISIBILITY)
    await pair.main.send(["fresh"])
    assert [d.body for d in await pair.main.receive(5, 0)] == ["fresh"]
    assert len(await pair.dead.receive(100, 0)) == 20


async def test_waiting_receiver_is_woken_by_a_send(service: SqliteQueueService, manual_clock: Any) -> None:
    """A wait ends with the message, at most 5 ms after it came, or with the time that was given."""
    queue = (await service.create("q", visibility=VISIBILITY, max_receives=5)).main
    waiting = asyncio.create_task(queue.receive(10, 60))
    await manual_clock.run(1, step=0.005)
    assert not waiting.done()
    await queue.send(["one"])
    await manual_clock.run(0.01, step=0.005)
    assert [d.body for d in waiting.result()] == ["one"]
    waiting = asyncio.create_task(queue.receive(10, 0.5))
    await manual_clock.run(0.6, step=0.005)
    assert waiting.result() == []


async def test_another_service_sees_the_same_queue(
    service: SqliteQueueService, tmp_path: Path, manual_clock: Any
) -> None:
    """What one connection sent is durable, and another one's to receive."""
    await (await service.create("q", visibility=VISIBILITY, max_receives=1)).main.send(["one"])
    other = SqliteQueueService(tmp_path / "queues", manual_clock)
    pair = await other.open("q")
    assert pair is not None
    assert [d.body for d in await pair.main.receive(1, 0)] == ["one"]
    assert await other.names() == ["q"]
    await other.close()


async def test_removed_elsewhere_is_noticed(service: SqliteQueueService, tmp_path: Path, manual_clock: Any) -> None:
    """A queue that another process removed, or made anew, raises instead of swallowing messages."""
    pair = await service.create("q", visibility=VISIBILITY, max_receives=5)
    other = SqliteQueueService(tmp_path / "queues", manual_clock)
    await other.remove("q")
    with pytest.raises(QueueError, match="no longer exists"):
        await pair.main.receive(1, 0)
    await (await other.create("q", visibility=VISIBILITY, max_receives=5)).main.send(["new"])
    with pytest.raises(QueueError, match="took its place"):
        await pair.main.send(["lost"])
    again = await service.open("q")
    assert again is not None
    assert [d.body for d in await again.main.receive(9, 0)] == ["new"]
    await other.close()


async def test_nothing_is_left_behind(service: SqliteQueueService, tmp_path: Path) -> None:
    """Removing takes the write-ahead log along, and creating leaves nothing half-made."""
    await (await service.create("q", visibility=VISIBILITY, max_receives=5)).main.send(["one"])
    await service.remove("q")
    assert list((tmp_path / "queues").iterdir()) == []


@pytest.mark.parametrize("name", ["", "..", "a/b", "../up", ".hidden", "ü", "a b", "x" * 201])
async def test_names_that_are_no_file_names(service: SqliteQueueService, name: str) -> None:
    """A name cannot lead out of the folder."""
    with pytest.raises(QueueError, match="queue name"):
        await service.create(name, visibility=VISIBILITY, max_receives=5)


async def test_folder_that_cannot_be_written(tmp_path: Path, manual_clock: Any) -> None:
    """The reason is said, with the place."""
    (tmp_path / "file").write_text("")
    with pytest.raises(QueueError, match="cannot be created"):
        await SqliteQueueService(tmp_path / "file", manual_clock).create("q", visibility=1, max_receives=1)


async def test_file_that_is_no_database(service: SqliteQueueService, tmp_path: Path) -> None:
    """Damage is a QueueError with the queue's place."""
    await service.create("q", visibility=VISIBILITY, max_receives=5)
    await service.close()
    (tmp_path / "queues" / "q" / "queue.sqlite3").write_bytes(b"no database" * 1000)
    with pytest.raises(QueueError, match=r"queues/q"):
        await service.open("q")


async def test_failed_transaction_changes_nothing(service: SqliteQueueService) -> None:
    """Of a send that fails half-way no message is there, and the queue works on."""
    queue = (await service.create("q", visibility=VISIBILITY, max_receives=5)).main
    with pytest.raises(QueueError):
        await queue.send(["good", None])  # type: ignore[list-item]
    await queue.send(["after"])
    assert [d.body for d in await queue.receive(9, 0)] == ["after"]


@pytest.mark.parametrize("call", ["send", "receive", "extend", "delete"])
async def test_a_file_that_another_process_holds_does_not_stop_the_loop(
    service: SqliteQueueService, tmp_path: Path, call: str
) -> None:
    """Heartbeats and time limits go on meanwhile; what was asked for is done as soon as the file is free."""
    queue = (await service.create("q", visibility=VISIBILITY, max_receives=5)).main
    await queue.send(["held", "waiting"])
    held = await queue.receive(1, 0)
    other = sqlite3.connect(tmp_path / "queues" / "q" / "queue.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    calls = {
        "send": lambda: queue.send(["new"]),
        "receive": lambda: queue.receive(1, 0),
        "extend": lambda: queue.extend(held, 10),
        "delete": lambda: queue.delete(held),
    }
    task: asyncio.Task[Any] = asyncio.create_task(calls[call]())
    for _ in range(20):  # the loop turns; where the call stood still this would take thirty seconds, and the call fail
        await asyncio.sleep(0.001)
    assert not task.done()
    other.execute("ROLLBACK")
    await task
    expected = {"send": (2, 1), "receive": (0, 2), "extend": (1, 1), "delete": (1, 0)}
    depth = await queue.depth()
    assert (depth.visible, depth.held) == expected[call]
    other.close()


async def test_a_file_that_is_held_for_too_long(
    service: SqliteQueueService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not waited for without end."""
    queue = (await service.create("q", visibility=VISIBILITY, max_receives=5)).main
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT", 0.01)
    other = sqlite3.connect(tmp_path / "queues" / "q" / "queue.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(QueueError, match="locked"):
        await queue.send(["one"])
    other.close()


async def test_an_empty_file_is_no_queue(service: SqliteQueueService, tmp_path: Path) -> None:
    """A power cut may have left it; the pair can be made again."""
    await service.create("q", visibility=VISIBILITY, max_receives=5)
    await service.close()
    for file in (tmp_path / "queues" / "q").iterdir():
        file.write_bytes(b"")
    assert await service.open("q") is None
    pair = await service.create("q", visibility=VISIBILITY, max_receives=5)
    await pair.main.send(["one"])


CONSUMER = """
import asyncio, json, sys
from pathlib import Path
from fanout.clock import SystemClock
from fanout.queues.sqlite import SqliteQueueService

async def consume():
    pair = await SqliteQueueService(Path(sys.argv[1]), SystemClock()).open("q")
    print("ready", flush=True)
    sys.stdin.readline()
    found = []
    while more := await pair.main.receive(16, 0.2):
        await pair.main.delete(more)
        found += [delivery.body for delivery in more]
    print(json.dumps(found))

asyncio.run(consume())
"""


async def test_processes_share_the_work(tmp_path: Path) -> None:
    """Three processes at once on one queue: every message reaches exactly one of them."""
    service = SqliteQueueService(tmp_path, SystemClock())
    queue = (await service.create("q", visibility=60, max_receives=5)).main
    consumers = [
        subprocess.Popen(  # noqa: ASYNC220 - nothing else runs in this loop
            [sys.executable, "-c", CONSUMER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    assert [consumer.stdout and consumer.stdout.readline() for consumer in consumers] == ["ready\n"] * 3
    bodies = sorted(f"message {number}" for number in range(3000))
    await queue.send(bodies)
    found: list[str] = []
    for consumer in consumers:
        if consumer.stdin:
            consumer.stdin.write("\n")
            consumer.stdin.flush()
    for consumer in consumers:
        found += json.loads(consumer.communicate(timeout=60)[0])
    assert sorted(found) == bodies
    assert (await queue.depth()).total == 0
    await service.close()


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from fanout.clock import SystemClock
from fanout.queues.sqlite import SqliteQueueService

async def send():
    pair = await SqliteQueueService(Path(sys.argv[1]), SystemClock()).create("q", visibility=60, max_receives=5)
    await pair.main.send([str(number) for number in range(500)])
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(send())
"""


async def test_sent_messages_survive_a_kill(tmp_path: Path) -> None:
    """What `send` took is there after the sender was killed the moment it returned."""
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    service = SqliteQueueService(tmp_path, SystemClock())
    pair = await service.open("q")
    assert pair is not None
    assert len(await pair.main.receive(1000, 0)) == 500
    await service.close()


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from("srdxat"), st.integers(1, 6)), max_size=40))
def test_nothing_is_lost_or_invented(steps: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever is done in whatever order: sent = deleted + in the queue + in the dead-letter queue."""

    class Turned(SystemClock):
        time = 1_000.0

        def monotonic(self) -> float:
            return self.time

    async def play() -> None:
        clock = Turned()
        service = SqliteQueueService(tmp_path_factory.mktemp("model"), clock)
        pair = await service.create("q", visibility=10, max_receives=2)
        sent = deleted = 0
        held = []
        for action, number in steps:
            if action == "s":
                await pair.main.send(["x"] * number, delay=number - 1)
                sent += number
            elif action == "r":
                held += await pair.main.receive(number, 0)
            elif action == "d":
                before = (await pair.main.depth()).total
                await pair.main.delete(held[:number])
                deleted += before - (await pair.main.depth()).total
                held = held[number:]
            elif action == "x":
                lost = await pair.main.extend(held[:number], number)
                held = [delivery for delivery in held if delivery not in lost]
            else:
                clock.time += number * 3
            main, dead = await pair.main.depth(), await pair.dead.depth()
            assert sent == deleted + main.total + dead.total
        await service.close()

    asyncio.run(play())


async def test_settings_are_in_the_file(service: SqliteQueueService, tmp_path: Path) -> None:
    """A pair explains itself to whoever opens the file, and says what differs to whoever wants other settings."""
    await service.create("q", visibility=VISIBILITY, max_receives=5)
    connection = sqlite3.connect(tmp_path / "queues" / "q" / "queue.sqlite3")
    assert connection.execute("SELECT * FROM settings").fetchall() == [(VISIBILITY, 5)]
    connection.close()
    with pytest.raises(QueueError, match=r"visibility 30 s and max_receives 5, not 30 s and 6"):
        await service.create("q", visibility=VISIBILITY, max_receives=6)


@pytest.mark.parametrize("hours", [-1, 1, -24 * 365])
async def test_time_of_the_machine_may_be_set(service: SqliteQueueService, manual_clock: Any, hours: int) -> None:
    """Delays and visibility go on as if nothing had happened (fault 14)."""
    queue = (await service.create("q", visibility=VISIBILITY, max_receives=5)).main
    await queue.send(["held", "held, too"])
    await queue.send(["delayed"], delay=10)
    held = await queue.receive(2, 0)
    manual_clock.jump(hours * 3600)
    await queue.send(["new"])
    assert [delivery.body for delivery in await queue.receive(5, 0)] == ["new"]
    assert await queue.extend(held[:1], VISIBILITY) == []
    manual_clock.advance(10)
    assert [delivery.body for delivery in await queue.receive(5, 0)] == ["delayed"]
    manual_clock.advance(VISIBILITY - 10)
    assert len(await queue.receive(5, 0)) == 3, "what nobody extended is back, what was extended just now too"


async def test_messages_outlive_a_restart_of_the_machine(
    service: SqliteQueueService, manual_clock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clock starts again; nobody holds anything any more, and nothing waits for times of the life before."""
    queue = (await service.create("q", visibility=VISIBILITY, max_receives=5)).main
    manual_clock.advance(1_000_000)
    await queue.send(["held", "ready"])
    await queue.send(["delayed"], delay=600)
    [held] = await queue.receive(1, 0)
    await service.close()
    monkeypatch.setattr(sqlite_file, "machine_start", lambda: 4711)
    restarted = SqliteQueueService(tmp_path / "queues", type(manual_clock)())
    pair = await restarted.open("q")
    assert pair is not None
    assert sorted(d.body for d in await pair.main.receive(5, 0)) == ["delayed", "held", "ready"]
    assert await pair.main.extend([held], 10) == [held]
    again = SqliteQueueService(tmp_path / "queues", type(manual_clock)())
    same = await again.open("q")
    assert same is not None
    assert (await same.main.depth()).held == 3, "whoever opens it next leaves it as it is"
    await restarted.close()
    await again.close()


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n) SELECT i AS id, '' AS body, 0.0 AS due, "


@pytest.mark.parametrize(
    "change",
    [
        f"DROP TABLE main; CREATE VIEW main AS {ENDLESS} 0 AS receive_count, 0 AS token FROM n",
        f"CREATE VIEW more AS {ENDLESS} 0 AS receive_count, 0 AS token FROM n",
        "CREATE TRIGGER again AFTER UPDATE ON main BEGIN DELETE FROM main; END",
        "DROP TABLE dead",
        "ALTER TABLE main ADD COLUMN more TEXT GENERATED ALWAYS AS (hex(body))",
        "ALTER TABLE main ADD COLUMN more INTEGER CHECK (more < 7)",
    ],
)
async def test_a_file_that_is_no_queue_is_refused(tmp_path: Path, change: str) -> None:
    """Somebody put another database in its place: nothing of it is read, however much there seems to be."""
    place = tmp_path / "pair"
    place.mkdir()
    sqlite_file.build(place / sqlite_file.DATABASE, 30.0, 5)
    with contextlib.closing(sqlite3.connect(place / sqlite_file.DATABASE)) as connection:
        connection.executescript(change)
    with pytest.raises(QueueError, match=r"queue\.sqlite3 has been replaced, its tables are not those of a queue"):
        sqlite_file.Database(place / sqlite_file.DATABASE)
