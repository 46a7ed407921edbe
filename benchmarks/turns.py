"""Everybody in turn, in folders of their own: a busy minute of the machine hits all alike."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from benchmarks.contenders import PEERS, Contender, Fanout, Peer
from benchmarks.sample import Sample, Series
from benchmarks.workload import Workload, input_folder

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Terms:
    """How the scenarios are run."""

    repetitions: int = 3
    scale: float = 1.0
    peers: Sequence[Peer] = PEERS
    libraries: Sequence[str] = ()
    fanout: Fanout = field(default_factory=Fanout)

    def scaled(self, count: int, least: int = 1) -> int:
        """`count` times the scale."""
        return max(least, round(count * self.scale))


def in_turn(turns: Mapping[str, Callable[[Path], T]], repetitions: int, what: str, scratch: Path) -> dict[str, list[T]]:
    """What each of `turns` gives, called with an empty folder: everybody once, then everybody again."""
    found: dict[str, list[T]] = {name: [] for name in turns}
    for repetition in range(repetitions):
        for name, turn in turns.items():
            print(f"{what}, repetition {repetition + 1}: {name}", file=sys.stderr)
            with fresh(scratch, "run") as place:
                found[name].append(turn(place))
    return found


def all_on(terms: Terms, workload: Workload, scratch: Path) -> dict[str, list[Sample]]:
    """fanout and all peers on one workload."""
    contenders: list[Contender] = [terms.fanout, *(p for p in terms.peers if p.most >= workload.mini_batches)]
    folder = input_folder(workload, scratch)
    for contender in contenders:
        contender.prepare()

    def turn(contender: Contender) -> Callable[[Path], Sample]:
        return lambda place: contender.run(workload, folder, place)

    what = f"{workload.mini_batches} x {workload.milliseconds:g} ms"
    return in_turn({contender.name: turn(contender) for contender in contenders}, terms.repetitions, what, scratch)


def series(samples: Mapping[str, Sequence[T]], number: Callable[[T], float]) -> dict[str, Series]:
    """One number of every sample."""
    return {name: Series(tuple(map(number, found))) for name, found in samples.items()}


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A temporary folder."""
    with tempfile.TemporaryDirectory(prefix="fanout-benchmarks-") as folder:
        yield Path(folder)


@contextmanager
def fresh(scratch: Path, name: str) -> Iterator[Path]:
    """An empty folder, removed when the run is over: the removal is not timed."""
    folder = scratch / name
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
