"""The scenarios: what is done, by whom, and which numbers it gives."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.contenders import PEERS, SLOTS, Contender, Fanout
from benchmarks.localstack import LocalStack, localstack
from benchmarks.report import Measured
from benchmarks.sample import Sample, Series
from benchmarks.workload import Workload, input_folder

NOT_DURABLE = "The peers keep everything in memory: a killed process loses the whole run. fanout resumes it."
BUCKET = "s3://benchmarks/runs"


@dataclass(frozen=True, slots=True)
class Terms:
    """How the scenarios are run."""

    repetitions: int = 3
    scale: float = 1.0
    peers: Sequence[Contender] = PEERS
    fanout: Fanout = field(default_factory=Fanout)


Samples = Mapping[str, Sequence[Sample]]
"""By contender, fanout first."""


def noop(terms: Terms) -> Iterator[Measured]:
    """Mini-batches of ten empty files that come back as they are: what dispatch itself costs."""
    workload = Workload(10_000, size=10).scaled(terms.scale)
    with _scratch() as scratch:
        samples = _in_turn(terms, workload, scratch)
    yield Measured(
        f"noop: {workload.mini_batches:,} mini-batches of 10 files, first call to last result",
        "mini-batches/s",
        0,
        _series(samples, lambda s: workload.mini_batches / (s.done - s.first_started)),
    )
    yield Measured("noop: the whole process", "s", 2, _series(samples, lambda s: s.wall), NOT_DURABLE)


def efficiency(terms: Terms) -> Iterator[Measured]:
    """CPU work in every mini-batch on two slots: how much of the two cores it gets."""
    for workload in (Workload(4_000, 1, 1.0), Workload(400, 1, 10.0), Workload(80, 1, 100.0)):
        with _scratch() as scratch:
            yield _efficiency(terms, workload.scaled(terms.scale), scratch)


def _efficiency(terms: Terms, workload: Workload, scratch: Path) -> Measured:
    ideal = workload.ideal_seconds(SLOTS)
    samples = _in_turn(terms, workload, scratch)
    return Measured(
        f"efficiency: {workload.mini_batches:,} x {workload.milliseconds:g} ms, ideal to measured time",
        "%",
        1,
        _series(samples, lambda s: 100 * ideal / (s.last_ended - s.first_started)),
    )


def hello(terms: Terms) -> Iterator[Measured]:
    """The smallest run: a fresh process, two mini-batches of one file, one joined file."""
    with _scratch() as scratch:
        samples = _in_turn(terms, Workload(2), scratch)
    yield Measured("hello: a fresh process with two mini-batches", "s", 2, _series(samples, lambda s: s.wall))


def over_localstack(terms: Terms) -> Iterator[Measured]:
    """fanout alone, over LocalStack's S3 and SQS; the input files are local."""
    workload = Workload(2_000, size=10).scaled(terms.scale)
    rates, requests = [], []
    terms.fanout.prepare()
    with _scratch() as scratch:
        folder = input_folder(workload, scratch)
        for repetition in range(terms.repetitions):
            _say("localstack", repetition, "fanout")
            with _fresh(scratch, "server") as place, localstack(place) as server:
                rates.append(_rate_over(server, workload, folder, scratch, terms.fanout))
                answered = server.requests()
                requests.append(sum(answered.values()) / workload.mini_batches)
    yield Measured(
        f"localstack: {workload.mini_batches:,} mini-batches of 10 files, first call to last",
        "mini-batches/s",
        0,
        {"fanout": Series(tuple(rates))},
    )
    operations = ", ".join(f"{name} {count}" for name, count in answered.most_common())
    yield Measured(
        "localstack: requests of the whole run", "per mini-batch", 3, {"fanout": Series(tuple(requests))}, operations
    )


def _rate_over(server: LocalStack, workload: Workload, folder: Path, scratch: Path, fanout: Fanout) -> float:
    with _fresh(scratch, "fanout") as place:
        sample = replace(fanout, store=BUCKET, environ=server.environ).run(workload, folder, place)
    return workload.mini_batches / (sample.last_ended - sample.first_started)


SCENARIOS: Mapping[str, Callable[[Terms], Iterator[Measured]]] = {
    "noop": noop,
    "efficiency": efficiency,
    "hello": hello,
    "localstack": over_localstack,
}


def _in_turn(terms: Terms, workload: Workload, scratch: Path) -> dict[str, list[Sample]]:
    """Everybody once, then everybody again: a busy minute of the machine hits all alike."""
    contenders: list[Contender] = [terms.fanout, *terms.peers]
    folder = input_folder(workload, scratch)
    samples: dict[str, list[Sample]] = {contender.name: [] for contender in contenders}
    for contender in contenders:
        contender.prepare()
    for repetition in range(terms.repetitions):
        for contender in contenders:
            _say(f"{workload.mini_batches} x {workload.milliseconds:g} ms", repetition, contender.name)
            with _fresh(scratch, "run") as place:
                samples[contender.name].append(contender.run(workload, folder, place))
    return samples


def _series(samples: Samples, number: Callable[[Sample], float]) -> dict[str, Series]:
    return {name: Series(tuple(map(number, found))) for name, found in samples.items()}


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fanout-benchmarks-") as folder:
        yield Path(folder)


@contextmanager
def _fresh(scratch: Path, name: str) -> Iterator[Path]:
    """An empty folder, removed when the run is over: the removal is not timed."""
    folder = scratch / name
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _say(what: str, repetition: int, who: str) -> None:
    print(f"{what}, repetition {repetition + 1}: {who}", file=sys.stderr)
