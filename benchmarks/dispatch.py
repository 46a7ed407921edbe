"""Scenarios of dispatch: equal small work for everybody; what is left is what dispatching costs."""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.contenders import SLOTS
from benchmarks.report import Measured
from benchmarks.turns import Terms, all_on, scratch_folder, series
from benchmarks.workload import Workload

NOT_DURABLE = "The peers keep everything in memory: a killed process loses the whole run. fanout resumes it."


def noop(terms: Terms) -> Iterator[Measured]:
    """Mini-batches of ten empty files that come back as they are: what dispatch itself costs."""
    workload = Workload(10_000, size=10).scaled(terms.scale)
    with scratch_folder() as scratch:
        samples = all_on(terms, workload, scratch)
    yield Measured(
        f"noop: {workload.mini_batches:,} mini-batches of 10 files, first call to last result",
        "mini-batches/s",
        0,
        series(samples, lambda s: workload.mini_batches / (s.done - s.first_started)),
    )
    yield Measured("noop: the whole process", "s", 2, series(samples, lambda s: s.wall), NOT_DURABLE)


def efficiency(terms: Terms) -> Iterator[Measured]:
    """CPU work in every mini-batch on two slots: how much of the two cores it gets."""
    for workload in (Workload(4_000, 1, 1.0), Workload(400, 1, 10.0), Workload(80, 1, 100.0)):
        with scratch_folder() as scratch:
            yield _efficiency(terms, workload.scaled(terms.scale), scratch)


def _efficiency(terms: Terms, workload: Workload, scratch: Path) -> Measured:
    ideal = workload.ideal_seconds(SLOTS)
    samples = all_on(terms, workload, scratch)
    return Measured(
        f"efficiency: {workload.mini_batches:,} x {workload.milliseconds:g} ms, ideal to measured time",
        "%",
        1,
        series(samples, lambda s: 100 * ideal / (s.last_ended - s.first_started)),
    )


def hello(terms: Terms) -> Iterator[Measured]:
    """The smallest run: a fresh process, two mini-batches of one file, one joined file."""
    with scratch_folder() as scratch:
        samples = all_on(terms, Workload(2), scratch)
    yield Measured("hello: a fresh process with two mini-batches", "s", 2, series(samples, lambda s: s.wall))
    yield Measured(
        "startup: from the start of the process to the first call of run()",
        "s",
        2,
        series(samples, lambda s: s.first_started - s.begun),
    )


def files(terms: Terms) -> Iterator[Measured]:
    """Many small files, each opened and read."""
    workload = Workload(1_000, size=100, file_bytes=1_000).scaled(terms.scale)
    with scratch_folder() as scratch:
        samples = all_on(terms, workload, scratch)
    yield Measured(
        f"files: {workload.files:,} files of 1 kB, 100 to a mini-batch, the whole process",
        "s",
        2,
        series(samples, lambda s: s.wall),
    )
