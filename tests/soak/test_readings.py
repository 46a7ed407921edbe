"""What counts as growth, and that a leak in a real process is seen."""

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.scene import make_scene
from tests.soak.long_run import mini_batches_for, watch_long_run
from tests.soak.many_runs import left_in, watch_many_runs
from tests.soak.readings import TOLERANCE, Growth, Reading, growth, read_process

STILL = Reading(50.0, 5.0, 10.0)
MOST_POOLED = 64.0


def test_what_stays_is_no_growth() -> None:
    """A warm-up that doubles everything is left out, and one outlier decides nothing."""
    readings = [Reading(1.0, 1.0, 1.0)] * 4 + [STILL] * 12 + [Reading(500.0, 90.0, 900.0)] + [STILL] * 3
    found = growth("node", readings)
    assert found == Growth("node", STILL, STILL)
    assert list(found.excess()) == []


def test_too_few_readings_say_nothing() -> None:
    """A process that has only just begun is in its warm-up."""
    assert growth("slot", [STILL] * 4) is None


@pytest.mark.parametrize(
    ("end", "sentence"),
    [
        (Reading(80.0, 5.0, 10.0), "node: memory grew from 50.0 to 80.0; 24 more are tolerated"),
        (Reading(50.0, 8.0, 10.0), "node: threads grew from 5.0 to 8.0; 2 more are tolerated"),
        (Reading(50.0, 5.0, 20.0), "node: descriptors grew from 10.0 to 20.0; 6 more are tolerated"),
    ],
)
def test_each_kind_of_growth_is_told(end: Reading, sentence: str) -> None:
    """Exactly at the tolerance nothing is said."""
    assert list(Growth("node", STILL, end).excess()) == [sentence]
    edge = Reading(50.0 + TOLERANCE.memory, 5.0 + TOLERANCE.threads, 10.0 + TOLERANCE.descriptors)
    assert list(Growth("node", STILL, edge).excess()) == []


LEAK = """
import sys, threading, time
kept = []
for n in range(400):
    kept.append(bytes(range(256)) * 1024)
    kept.append(open(sys.executable))
    print(n, flush=True)
    time.sleep(0.005)
"""


def test_a_leaking_process_is_found() -> None:
    """A quarter of a MiB and a descriptor at a time: what such a process holds is read as it is."""
    with subprocess.Popen([sys.executable, "-c", LEAK], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        readings = [r for _ in process.stdout if (r := read_process(process.pid)) is not None]
    found = growth("leaking", readings)
    assert found is not None
    assert [sentence.split()[1] for sentence in found.excess()] == ["memory", "descriptors"]


def test_a_process_that_is_gone_holds_nothing() -> None:
    """Its readings end."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert read_process(process.pid) is None


def test_a_short_soak(tmp_path: Path) -> None:
    """Six runs in one process, one after the other, and a run of some seconds: nothing grows, nothing is left."""
    scene = make_scene(tmp_path / "many", mini_batches=5, nodes=1, seconds=0.0)
    threads = threading.active_count()
    embedding, runs = watch_many_runs(scene, seconds=0, least=6)
    assert runs == 6
    assert embedding is not None
    # obstore's pool has a thread for each request at the same time and lets idle ones go after ten seconds only: how
    # many there are tells how busy the machine is. Python's own threads are all gone when a run is over.
    assert list(embedding.excess(replace(TOLERANCE, threads=MOST_POOLED))) == []
    assert threading.active_count() <= threads
    assert left_in(tmp_path / "many" / ".fanout") == []
    long = make_scene(tmp_path / "long", mini_batches=mini_batches_for(10), nodes=1)
    grown = list(watch_long_run(long, seconds=5, every=0.2))
    assert {each.process.split()[0] for each in grown} >= {"supervisor", "node", "slot"}
    warming_up = Reading(memory=24.0, threads=4.0, descriptors=16.0)  # five seconds see slots come, too
    assert [sentence for each in grown for sentence in each.excess(warming_up)] == []
