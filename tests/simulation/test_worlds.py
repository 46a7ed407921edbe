"""Hundreds of worlds in which everything goes wrong, and the promises hold; the same seed is the same world."""

import os
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.simulation.runner import Ended, run, run_seed
from tests.simulation.scenario import Scenario, draw, with_blind_node, with_hostile_sender

ROOT = Path(__file__).parents[2]
WORLDS = 300
AT_ONCE = 30
FIRST = 60
"""Worlds that several tests look at, and that are played once."""


@cache
def _first_world(seed: int) -> Ended:
    return run_seed(seed)


def _told(ended: Ended) -> str:
    again = f"python -m tests.simulation --seed {ended.seed} --trace"
    return "\n".join(map(str, (*ended.broken, *ended.history[-60:], again)))


@pytest.mark.parametrize("first", range(0, WORLDS, AT_ONCE))
def test_no_world_breaks_a_promise(first: int) -> None:
    """I1-I7, whatever the seed draws; more of them: `make simulate SEEDS=10000`."""
    for seed in range(first, first + AT_ONCE):
        ended = _first_world(seed) if seed < FIRST else run_seed(seed)
        assert not ended.broken, _told(ended)


def test_a_node_that_lacks_the_input_loses_nothing() -> None:
    """Everything fails on one of several nodes, in worlds with all other troubles: each mini-batch succeeds all the
    same, and most of these nodes are fenced."""
    fenced = 0
    for seed in range(AT_ONCE):
        ended = run(with_blind_node(draw(seed)))
        assert not ended.broken, _told(ended)
        fenced += any(event.what == "put" and "/fenced/" in str(event.about[0]) for event in ended.history)
    assert fenced > AT_ONCE / 2


def test_a_sender_without_the_key_breaks_no_promise() -> None:
    """Forged, altered and replayed messages in both queues, in worlds with all other troubles."""
    sent = Counter[str]()
    for seed in range(2 * AT_ONCE):
        ended = run(with_hostile_sender(draw(seed)))
        assert not ended.broken, _told(ended)
        sent.update(event.what for event in ended.history)
    assert min(sent["forged"], sent["replayed"]) > 10 * AT_ONCE


def test_the_worlds_are_troubled_enough() -> None:
    """Each kind of trouble is met in some of the first worlds, and each kind of end."""
    seen: set[str] = set()
    for seed in range(FIRST):
        ended = _first_world(seed)
        seen |= {event.what for event in ended.history} | {ended.verdict}
        seen |= {str(event.about[0]) for event in ended.history if event.what == "strike" and event.about[1]}
    wanted = {"refused", "unanswered", "lost", "doubled", "killed", "stale delete", "not held", "error", "node error"}
    strikes = {"kill node", "kill supervisor", "stop node", "stop supervisor", "evict node", "clock"}
    assert wanted | strikes | {"Completed", "Failed", "Canceled"} <= seen


def test_a_seed_is_a_world() -> None:
    """Twice the same seed: the same history, event by event."""
    for seed in (3, 8, 21):
        assert list(map(str, run_seed(seed).history)) == list(map(str, _first_world(seed).history))


def test_a_seed_is_a_world_in_another_process() -> None:
    """Neither the order of hashes nor that of addresses has a say."""
    program = "import sys; from tests.simulation.runner import run_seed; print(run_seed(int(sys.argv[1])).digest)"
    for seed, hash_seed in ((3, "1"), (8, "2")):
        environ = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", program, str(seed)], cwd=ROOT, env=environ, capture_output=True, text=True
        )
        assert done.stdout.strip() == _first_world(seed).digest, done.stderr


def test_a_world_without_trouble() -> None:
    """Nothing goes wrong: every mini-batch is executed once, and everything is over within seconds."""
    ended = run(Scenario(1, files=20, nodes=2))
    assert not ended.broken
    assert ended.verdict == "Completed"
    assert sum(event.what == "executes" for event in ended.history) == 20
    assert ended.seconds < 3


def test_seeds_draw_different_worlds() -> None:
    """A hundred seeds, a hundred scenarios."""
    assert len({repr(draw(seed)) for seed in range(100)}) == 100
