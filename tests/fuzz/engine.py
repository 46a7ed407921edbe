"""Runs mutated inputs through a reader, and says which of them it does not stand."""

import random
import signal
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fanout.errors import FanoutError
from tests.fuzz.mutate import mutate
from tests.fuzz.reader import Reader

TIME_LIMIT = 5.0
"""Seconds of processor time that one input may take: a few times what the slowest takes on a busy machine."""


class TooSlow(BaseException):
    """Raised into a reader that does not come to an end; not an Exception, so that nothing answers for it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that a reader did not stand, and what came of it."""

    reader: str
    seed: int
    case: int
    body: bytes
    what: str

    @property
    def kind(self) -> str:
        """What it has in common with others that have the same cause, most likely: the place that raised."""
        places = [line for line in self.what.splitlines() if line.lstrip().startswith("File ")]
        ours = [line for line in places if "/fanout/" in line or "/tests/" in line]
        return f"{self.reader} {ours[-1] if ours else self.what}"

    def __str__(self) -> str:
        return (
            f"{self.reader}: {self.what}\n{len(self.body)} bytes: {self.body[:300]!r}\n"
            f"replay: python -m tests.fuzz --reader {self.reader!r} --seed {self.seed} --case {self.case}"
        )


def body_of(reader: Reader, seed: int, case: int) -> bytes:
    """The input of this number: the same each time."""
    return mutate(reader.seeds, random.Random(f"{reader.name}/{seed}/{case}"))  # noqa: S311 - to be repeated


def try_case(reader: Reader, seed: int, case: int) -> Finding | None:
    """What the reader does wrong with one input; None when it takes it, or refuses it as it should."""
    body = body_of(reader, seed, case)
    what = complaint(reader, body)
    return None if what is None else Finding(reader.name, seed, case, body, what)


def complaint(reader: Reader, body: bytes) -> str | None:
    """What is wrong with how `reader` takes `body`, in words; None when nothing is."""
    try:
        with _limited():
            reader.read(body)
    except FanoutError as exc:
        return None if str(exc).strip() else f"an error without a word: {exc!r}"
    except TooSlow:
        return f"takes more than {TIME_LIMIT:g} seconds"
    except Exception:  # noqa: BLE001 - this is what is looked for
        return traceback.format_exc()
    return None


def fuzz(readers: Sequence[Reader], seed: int, *, seconds: float, cases: int) -> Iterator[Finding | None]:
    """Input after input to each reader, until time or number is up: what came of each, None when all is well."""
    deadline = time.monotonic() + seconds
    for case in range(cases):
        for reader in readers:
            if time.monotonic() > deadline:
                return
            yield try_case(reader, seed, case)


@contextmanager
def _limited() -> Iterator[None]:
    """The block is cut off when it has used the processor for too long."""

    def cut_off(*_: Any) -> None:
        raise TooSlow

    old = signal.signal(signal.SIGVTALRM, cut_off)
    signal.setitimer(signal.ITIMER_VIRTUAL, TIME_LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, old)
