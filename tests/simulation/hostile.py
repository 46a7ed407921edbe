"""A sender without the key: it may send to the queues and has seen what others sent, and makes whatever it can of that.

It writes messages of its own, alters and replays those that it has seen, and all of it goes into both queues of a pair.
No promise may break. Replaying a mini-batch's message as a dead letter is another matter: whoever receives may give a
mini-batch up just so (docs/security.md), so worlds with `gives_up` do not expect that nothing is missing.
"""

import asyncio
import json
import random
from collections.abc import Iterator

from fanout.records import messages
from fanout.records.messages import Message, Pointer
from fanout.records.parts import ItemRange
from fanout.security.signature import Signer
from fanout.storage.keys import StepRound
from tests.simulation.ports.memory_queues import MemoryQueue, MemoryQueueService
from tests.simulation.world import World

PAUSE = 0.3
"""Virtual seconds between two of its messages, on average."""
LINES = (
    '{{"index":{index},"files":["file:///etc/hostname"],"items":1}}',
    '{{"index":{index},"files":["http://169.254.169.254/latest/meta-data/"],"items":1}}',
)


async def send(at: StepRound, queues: MemoryQueueService, world: World, until: float, *, gives_up: bool) -> None:
    """Sends until this virtual time."""
    chance, seen = random.Random(f"hostile/{world.chance.random()}"), list[str]()
    wrong = Signer(chance.randbytes(32).hex())
    while world.now < until:
        await asyncio.sleep(chance.expovariate(1 / PAUSE))
        for main, dead in list(queues.pairs.values()):
            seen = (seen + [body for body in main.bodies if '"batch"' in body or '"at":' in body])[-50:]
            for body in _forged(at, seen, wrong, chance):
                world.forged.add(body)
                _put(chance.choice((main, dead)), body, "forged", world)
            if seen and chance.random() < 0.5:
                _put(dead if gives_up and chance.random() < 0.2 else main, chance.choice(seen), "replayed", world)


def _put(queue: MemoryQueue, body: str, what: str, world: World) -> None:
    if not queue.gone:
        queue.put([body])
        world.note(what, body[:120])


def _forged(at: StepRound, seen: list[str], wrong: Signer, chance: random.Random) -> Iterator[str]:
    index, attempt = chance.choice((0, 1, 5, 99_999)), chance.choice((0, 0, 1, 7))
    line = chance.choice(LINES).format(index=index)
    forms = [
        Message(at, index, attempt, line=line),
        Message(at, index, attempt, line=line, part=ItemRange(0, 1)),
        Message(at, index, attempt, line=line, copy=True),
        Message(at, index, attempt, pointer=Pointer("run.json", 0, 10, 0)),
        Message(StepRound("another", at.step), index, attempt, line=line),
    ]
    yield messages.encode(chance.choice(forms), chance.choice((wrong, Signer(None))))
    if seen:
        yield _altered(chance.choice(seen), chance)
    yield chance.choice(
        ("noise", "{}", '{"mac":"0"}', json.dumps({"message": "?", "reason": "hostname"}), "\u00e9" * 40)
    )


def _altered(body: str, chance: random.Random) -> str:
    """A message that was signed, with something else in it than was signed."""
    first, second = chance.choice(
        (
            ('"attempt":', '"attempt":9'),
            ('"index":', '"index":9'),
            ('"attempt":', '"copy":true,"attempt":'),
            ('"attempt":', '"alone":true,"failed_on":[0,1],"attempt":'),
            ('"step":', '"part":[0,1],"step":'),
            ('"mac":"', '"mac":"0'),
            ("file:///", "file:///etc/"),
            ('"items":', '"items":9'),
        )
    )
    return body.replace(first, second, 1) if first in body else f"{body} "
