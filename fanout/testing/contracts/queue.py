"""What every adapter of the queue port (fanout.queues.base) promises, as tests.

class TestMyQueue(QueueContract):
    @pytest.fixture
    async def bench(self):
        bench = QueueBench(MyQueueService())
        yield bench
        await bench.close()
"""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from fanout.errors import QueueError
from fanout.queues.base import Delivery, Queue, QueuePair, QueueService


@dataclass
class QueueBench:
    """One adapter under test, and how time passes for it.

    Without more, time is the real one: tests wait a second or two where a visibility runs out or a delay is over.
    """

    service: QueueService
    receive_timeout: float = 2
    """Seconds that a receive may wait for what is about to come; 0 with `pass_time`."""
    pass_time: Callable[[float], None] = lambda _: None
    """Turns the clock of the adapter by some seconds, where the test holds that clock."""
    exactly_once: bool = True
    """False: one message may be delivered to two receivers at the same time, as moto does."""
    old_receipts_hold: bool = False
    """True: any receipt of a message is honoured, not just the latest, as moto and LocalStack do."""
    every_character: bool = True
    """False: characters above U+FFFF are refused, as fauxqs does."""
    made: list[str] = field(default_factory=list)

    async def pair(self, visibility: float = 60, max_receives: int = 5) -> QueuePair:
        """A fresh pair, removed by `close`."""
        self.made.append(f"contract-{uuid.uuid4().hex}")
        return await self.service.create(self.made[-1], visibility=visibility, max_receives=max_receives)

    async def receive_after(self, seconds: float, queue: Queue, limit: int = 10) -> list[Delivery]:
        """What there is to receive once `seconds` have passed; servers may be a little late."""
        self.pass_time(seconds)
        return await queue.receive(limit, self.receive_timeout and seconds + self.receive_timeout)

    async def collect(self, queue: Queue, count: int, limit: int = 10) -> list[Delivery]:
        """Receives until `count` messages are there, or nothing more comes.

        Where the server may deliver a message twice, the later delivery, whose receipt is valid, stands for both.
        """
        found: list[Delivery] = []
        while len(found) < count and (more := await queue.receive(limit, self.receive_timeout)):
            found += more
            if not self.exactly_once:
                found = list({delivery.body: delivery for delivery in found}.values())
        return found

    async def close(self) -> None:
        """Removes the pairs that tests have made, and closes the service."""
        for name in self.made:
            await self.service.remove(name)
        await self.service.close()


@pytest.mark.asyncio
class QueueContract:
    """The suite. A subclass in a test module brings the fixture `bench`, a QueueBench for each test."""

    async def test_what_was_sent_is_received_as_it_was(self, bench: QueueBench) -> None:
        """Body, first receive count, and a receipt of its own."""
        queue = (await bench.pair()).main
        await queue.send(["one", "two"])
        found = await bench.collect(queue, 2)
        assert sorted(d.body for d in found) == ["one", "two"]
        assert [d.receive_count for d in found] == [1, 1]
        assert len({d.receipt for d in found}) == 2

    async def test_empty_queue_gives_nothing(self, bench: QueueBench) -> None:
        """No message, no waiting asked for: an empty list, at once."""
        assert await (await bench.pair()).main.receive(10, 0) == []

    async def test_nothing_to_do_is_no_error(self, bench: QueueBench) -> None:
        """Empty calls are allowed: callers need no special case."""
        queue = (await bench.pair()).main
        await queue.send([])
        await queue.delete([])
        assert await queue.extend([], 10) == []

    @pytest.mark.parametrize("body", [" ", "ü € \u2028 \t\n", '{"a": "\\u0000"}', "x" * 200_000], ids=len)
    async def test_bodies_come_back_unchanged(self, bench: QueueBench, body: str) -> None:
        """Text of any language and up to 200,000 characters is carried as it is."""
        queue = (await bench.pair()).main
        await queue.send([body])
        [found] = await bench.collect(queue, 1)
        assert found.body == body

    async def test_body_comes_back_unchanged_or_is_refused(self, bench: QueueBench) -> None:
        """A character above U+FFFF is carried, or the sender hears that it is not: nothing changes or vanishes."""
        queue = (await bench.pair()).main
        if bench.every_character:
            await queue.send(["𝄞"])
            assert [d.body for d in await bench.collect(queue, 1)] == ["𝄞"]
        else:
            with pytest.raises(QueueError, match="SQS refused 1 of 1 messages"):
                await queue.send(["𝄞"])
            assert (await queue.depth()).total == 0

    async def test_large_messages_share_no_request_they_do_not_fit_in(self, bench: QueueBench) -> None:
        """Twelve messages of 60 KiB arrive, although SQS takes neither twelve nor 720 KiB at once."""
        queue = (await bench.pair()).main
        bodies = [f"{number:02d}" + "ä" * 30_000 for number in range(12)]
        await queue.send(bodies)
        assert sorted(d.body for d in await bench.collect(queue, 12)) == bodies

    async def test_many_messages_at_once(self, bench: QueueBench) -> None:
        """Sending, receiving, extending and deleting take more than ten."""
        queue = (await bench.pair()).main
        bodies = sorted(f"message {number}" for number in range(57))
        await queue.send(bodies)
        found = await bench.collect(queue, 57, limit=25)
        assert sorted(d.body for d in found) == bodies
        assert await queue.extend(found, 60) == []
        await queue.delete(found)
        assert (await queue.depth()).total == 0

    async def test_receive_gives_no_more_than_asked_for(self, bench: QueueBench) -> None:
        """`limit` is a limit, below ten and above."""
        queue = (await bench.pair()).main
        await queue.send([str(number) for number in range(40)])
        assert len(await queue.receive(3, bench.receive_timeout)) <= 3
        assert 10 <= len(await queue.receive(14, bench.receive_timeout)) <= 14

    async def test_held_message_is_hidden(self, bench: QueueBench) -> None:
        """No other receiver gets a message while its visibility lasts."""
        queue = (await bench.pair()).main
        await queue.send(["one"])
        assert await bench.collect(queue, 1)
        assert await queue.receive(10, 0) == []

    async def test_delivery_of_a_vanished_node_comes_back(self, bench: QueueBench) -> None:
        """A delivery that is neither extended nor deleted is received again, with a higher receive count."""
        queue = (await bench.pair(visibility=1)).main
        await queue.send(["one"])
        [first] = await bench.collect(queue, 1)
        [again] = await bench.receive_after(1, queue)
        assert (again.body, again.receive_count) == ("one", first.receive_count + 1)

    async def test_stale_receipt_neither_holds_nor_disturbs(self, bench: QueueBench) -> None:
        """After a second receive the first receipt holds nothing, where the server knows; deleting with it is no error.

        Whether the message is gone after such a delete is not promised: its result is durable by then.
        """
        queue = (await bench.pair(visibility=1)).main
        await queue.send(["one"])
        [first] = await bench.collect(queue, 1)
        [second] = await bench.receive_after(1, queue)
        assert await queue.extend([first], 60) == ([] if bench.old_receipts_hold else [first])
        assert await queue.extend([second], 60) == []
        await queue.delete([first])
        await queue.delete([second])
        assert (await queue.depth()).total == 0

    async def test_extended_message_stays_hidden(self, bench: QueueBench) -> None:
        """After `extend` the former visibility no longer counts."""
        queue = (await bench.pair(visibility=1)).main
        await queue.send(["kept", "let go"])
        kept = [d for d in await bench.collect(queue, 2) if d.body == "kept"]
        assert await queue.extend(kept, 60) == []
        assert [d.body for d in await bench.receive_after(1, queue)] == ["let go"]
        assert await queue.receive(10, 0) == []

    async def test_extending_by_nothing_gives_back(self, bench: QueueBench) -> None:
        """A released delivery is there for the next receiver."""
        queue = (await bench.pair()).main
        await queue.send(["one"])
        assert await queue.extend(await bench.collect(queue, 1), 0) == []
        assert [d.body for d in await bench.collect(queue, 1)] == ["one"]

    async def test_extend_tells_what_is_lost(self, bench: QueueBench) -> None:
        """A receiver learns which of its deliveries it no longer holds; the others are extended."""
        queue = (await bench.pair()).main
        await queue.send(["done", "held"])
        found = {d.body: d for d in await bench.collect(queue, 2)}
        await queue.delete([found["done"]])
        assert await queue.extend([found["held"], found["done"]], 60) == [found["done"]]

    async def test_deleted_message_never_comes_back(self, bench: QueueBench) -> None:
        """Deleting ends a message, whatever its visibility was."""
        queue = (await bench.pair(visibility=1)).main
        await queue.send(["gone", "back"])
        found = {d.body: d for d in await bench.collect(queue, 2)}
        await queue.delete([found["gone"]])
        assert [d.body for d in await bench.receive_after(1, queue)] == ["back"]

    async def test_deleting_twice_is_no_error(self, bench: QueueBench) -> None:
        """A stale receipt is tolerated, and the valid ones beside it are honoured."""
        queue = (await bench.pair()).main
        await queue.send(["one", "two"])
        found = await bench.collect(queue, 2)
        await queue.delete(found[:1])
        await queue.delete(found)
        assert (await queue.depth()).total == 0

    async def test_delayed_message_comes_later(self, bench: QueueBench) -> None:
        """Nothing before the delay is over, then the message, for the first time."""
        queue = (await bench.pair()).main
        await queue.send(["later"], delay=1)
        assert await queue.receive(10, 0) == []
        [found] = await bench.receive_after(1, queue)
        assert (found.body, found.receive_count) == ("later", 1)

    async def test_message_received_too_often_is_dead_lettered(self, bench: QueueBench) -> None:
        """After max_receives deliveries the message is in the dead-letter queue, and nowhere else."""
        pair = await bench.pair(max_receives=2)
        await pair.main.send(["poison"])
        for count in (1, 2):
            [found] = await bench.collect(pair.main, 1)
            assert found.receive_count == count
            await pair.main.extend([found], 0)
        assert await pair.main.receive(10, 0) == []
        [buried] = await bench.collect(pair.dead, 1)
        assert buried.body == "poison"
        await pair.dead.delete([buried])
        assert (await pair.dead.depth()).total == (await pair.main.depth()).total == 0

    async def test_others_are_delivered_while_one_is_dead_lettered(self, bench: QueueBench) -> None:
        """A poison message does not keep back what stands behind it."""
        pair = await bench.pair(max_receives=1)
        await pair.main.send(["poison"])
        await pair.main.extend(await bench.collect(pair.main, 1), 0)
        await pair.main.send([f"good {number}" for number in range(5)])
        assert sorted({d.body for d in await bench.collect(pair.main, 5)}) == [f"good {number}" for number in range(5)]
        assert [d.body for d in await bench.collect(pair.dead, 1)] == ["poison"]

    async def test_messages_can_be_sent_to_the_dead_letter_queue(self, bench: QueueBench) -> None:
        """A node that gives up puts the reason there itself; nothing moves on from there."""
        dead = (await bench.pair(max_receives=1)).dead
        await dead.send(["reason"])
        for _ in range(3):
            [found] = await bench.collect(dead, 1)
            await dead.extend([found], 0)

    async def test_consumers_share_the_work(self, bench: QueueBench) -> None:
        """Many consumers at once, and every message reaches exactly one of them."""
        queue = (await bench.pair()).main
        bodies = sorted(f"message {number}" for number in range(150))
        await queue.send(bodies)
        shares = await asyncio.gather(*(_consume(queue, bench.receive_timeout) for _ in range(8)))
        found = sorted(d.body for share in shares for d in share)
        assert (found if bench.exactly_once else sorted(set(found))) == bodies
        assert (await queue.depth()).total == 0

    async def test_depth_tells_ready_held_and_delayed(self, bench: QueueBench) -> None:
        """Three counts; the emulators' are exact, as the embedded queue's."""
        queue = (await bench.pair()).main
        await queue.send(["a", "b", "c"])
        await queue.send(["d"], delay=600)
        await queue.receive(1, bench.receive_timeout)
        depth = await queue.depth()
        assert (depth.visible, depth.held, depth.delayed, depth.total) == (2, 1, 1, 4)

    async def test_creating_again_finds_the_same_queue(self, bench: QueueBench) -> None:
        """The second creation of a pair finds the messages of the first."""
        await (await bench.pair(30, 3)).main.send(["one"])
        again = await bench.service.create(bench.made[0], visibility=30, max_receives=3)
        assert [d.body for d in await bench.collect(again.main, 1)] == ["one"]

    async def test_creating_with_other_settings_is_refused(self, bench: QueueBench) -> None:
        """A pair has one visibility: another one is a QueueError."""
        await bench.pair(30, 3)
        with pytest.raises(QueueError):
            await bench.service.create(bench.made[0], visibility=45, max_receives=3)

    async def test_many_create_the_same_pair_at_once(self, bench: QueueBench) -> None:
        """A race of creators ends with one pair that all of them use."""
        bench.made.append("contract-race")
        makers = [bench.service.create("contract-race", visibility=30, max_receives=3) for _ in range(5)]
        pairs = await asyncio.gather(*makers)
        await pairs[0].main.send(["one"])
        assert [d.body for d in await bench.collect(pairs[-1].main, 1)] == ["one"]

    async def test_open_finds_what_was_created(self, bench: QueueBench) -> None:
        """The settings are the queue's, so `open` needs the name only."""
        await (await bench.pair(max_receives=1)).main.send(["one"])
        pair = await bench.service.open(bench.made[0])
        assert pair is not None
        await pair.main.extend(await bench.collect(pair.main, 1), 0)
        assert await pair.main.receive(1, 0) == []
        assert [d.body for d in await bench.collect(pair.dead, 1)] == ["one"]

    async def test_open_of_nothing(self, bench: QueueBench) -> None:
        """A pair that was never made is None, not an error."""
        assert await bench.service.open("contract-never-made") is None

    async def test_removed_pair_is_gone(self, bench: QueueBench) -> None:
        """Nothing to open, nothing wrong with removing again, and an error for a process that still uses it."""
        pair = await bench.pair()
        await pair.main.send(["one"])
        await bench.service.remove(bench.made[0])
        await bench.service.remove(bench.made[0])
        assert await bench.service.open(bench.made[0]) is None
        with pytest.raises(QueueError, match=r"no longer exists|NonExistentQueue|does not exist"):
            await pair.main.send(["two"])

    async def test_name_that_is_long_or_strange_to_sqs(self, bench: QueueBench) -> None:
        """Any run's name can have a queue."""
        bench.made.append("run.2026-01-01." + "x" * 100)
        pair = await bench.service.create(bench.made[0], visibility=30, max_receives=3)
        await pair.main.send(["one"])
        found = await bench.service.open(bench.made[0])
        assert found is not None
        assert [d.body for d in await bench.collect(found.main, 1)] == ["one"]


async def _consume(queue: Queue, wait: float) -> list[Delivery]:
    found: list[Delivery] = []
    while more := await queue.receive(10, min(wait, 1)):
        await queue.delete(more)
        found += more
        await asyncio.sleep(0)
    return found
