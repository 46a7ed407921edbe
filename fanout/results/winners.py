"""Which rows count, and where they are: what the ledger tells reduce."""

from dataclasses import dataclass
from typing import NamedTuple

from fanout.storage import keys
from fanout.storage.keys import StepRound


class ResultObject(NamedTuple):
    """One result object: whose, which, where its rows begin, and in which round it was written.

    A tuple, since winners are gathered by it: a dataclass takes its hash in Python.
    """

    node: int
    seq: int
    rows_at: int
    round: int = 1

    def key(self, at: StepRound) -> str:
        """Its key; `at` is any round of its step."""
        return keys.result(at.in_round(self.round), self.node, self.seq)


@dataclass(slots=True)
class Winner:
    """Where the rows of a succeeded mini-batch, or part of one, are: a byte range of one object, and its CRC-32.

    Not frozen: there is one for every mini-batch, and it is made three times faster so. No code changes it.
    """

    index: int
    object: ResultObject
    start: int  # from the beginning of the object
    length: int
    crc: int
    header: str | None
