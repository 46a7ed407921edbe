"""The small version, in the suite: a run whose slots, nodes and supervisors are killed and paused all the time."""

import asyncio
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from fanout.records.seal import Seal
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.results.codec import Cause, Entry, Failure, Status
from tests.chaos.history import History, contradictions, read_history
from tests.chaos.scene import MAX_RETRIES, make_scene
from tests.chaos.storm import Storm
from tests.chaos.weather import Blow, Weather
from tests.chaos.world import world

VISIBILITY = 1.0
# It clears up after a while: on a busy machine slots may be killed as quickly as they start, for ever.
WEATHER = Weather(
    seed=1,
    slot_every=0.2,
    node_every=1.5,
    pause_every=2.5,
    pause_for=1.5 * VISIBILITY,
    supervisor_kills=2,
    lasts=7.0,
)


@pytest.mark.parametrize("place", ["embedded", "bucket"])
def test_bad_weather_changes_no_byte(tmp_path: Path, place: str) -> None:
    """Slots killed five times a second, nodes killed, nodes paused for longer than the visibility, `fanout run` and
    the first `fanout resume` killed: the output of an undisturbed run, every promise kept, nothing left behind.

    The last mini-batches wait until each kind of blow has fallen.
    """
    with world(place, tmp_path) as (_, environ):
        scene = make_scene(
            tmp_path, mini_batches=400, seconds=0.015, visibility=VISIBILITY, held_from=360, environ=environ
        )
        passed = Storm(scene, WEATHER, limit=90).pass_over()
    assert passed.code == 0, scene.said
    assert scene.output() == scene.expected()
    history = asyncio.run(read_history(scene))
    assert history is not None
    assert list(contradictions(history, passed.blows)) == []
    assert passed.left_behind == []
    assert passed.blows[Blow.SUPERVISOR] == 2
    assert min(passed.blows[blow] for blow in Blow if blow is not Blow.SERVER) > 0, (
        "weather without blows shows nothing"
    )


def _entry(index: int, attempt: int, status: Status) -> Entry:
    failure = None if status is Status.SUCCEEDED else Failure(Cause.SIGNAL, "killed")
    return Entry(index, attempt, status, 1, 1, "process000", 0.0, 0.0, 0.0, failure=failure)


@pytest.fixture
def flawless() -> History:
    """Two mini-batches, the second of which was tried twice."""
    seal = Seal(Verdict(VerdictStatus.COMPLETED, ""), Counts(total=2, succeeded=2, retried=1))
    results = (_entry(0, 0, Status.SUCCEEDED), _entry(1, 0, Status.RETRIED), _entry(1, 1, Status.SUCCEEDED))
    return History(2, seal, results, {(0, 0): 1, (1, 0): 1, (1, 1): 1}, ())


def test_a_flawless_history_contradicts_nothing(flawless: History) -> None:
    """One slot was killed, and that explains it all."""
    assert list(contradictions(flawless, {Blow.SLOT: 1})) == []
    assert flawless.duplicates == 0


def test_a_lost_mini_batch_is_found(flawless: History) -> None:
    """The seal counts what is not there."""
    [found] = contradictions(replace(flawless, results=flawless.results[1:]), {Blow.SLOT: 1})
    assert found == "1 mini-batches have no success, mini-batch 0 is the first"


def test_counts_that_do_not_add_up_are_found(flawless: History) -> None:
    """A mini-batch that is counted twice."""
    seal = replace(flawless.seal, counts=replace(flawless.seal.counts, succeeded=3))
    [found] = contradictions(replace(flawless, seal=seal), {Blow.SLOT: 1})
    assert found.startswith("the counts do not add up to 2 successes")


def test_a_result_of_nothing_is_found(flawless: History) -> None:
    """A success that no script has worked for."""
    begun = {attempt: count for attempt, count in flawless.begun.items() if attempt != (0, 0)}
    [found] = contradictions(replace(flawless, begun=begun), {Blow.SLOT: 1})
    assert found == "1 attempts have succeeded without having begun: mini-batch 0, attempt 0"


def test_a_retry_ahead_of_its_record_is_found(flawless: History) -> None:
    """Sent anew before the failure was durable: had the node died in between, a try would have been given away."""
    seal = replace(flawless.seal, counts=replace(flawless.seal.counts, retried=0))
    history = replace(flawless, results=(flawless.results[0], flawless.results[2]), seal=seal)
    [found] = contradictions(history, {Blow.SLOT: 1})
    assert found == "1 attempts have begun without a failure before them on record: mini-batch 1, attempt 1"


def test_too_many_tries_are_found(flawless: History) -> None:
    """The bound grows with the nodes that vanished, and with nothing else."""
    begun = {**flawless.begun, (0, 0): MAX_RETRIES + 3}
    [found] = contradictions(replace(flawless, begun=begun), {Blow.SLOT: 1, Blow.NODE: 1})
    assert found == f"1 mini-batches were tried more than {MAX_RETRIES + 2} times: mini-batch 0"
    assert list(contradictions(replace(flawless, begun=begun), {Blow.SLOT: 1, Blow.NODE: 2})) == []


def test_failures_without_a_blow_are_found(flawless: History) -> None:
    """The script never fails by itself."""
    assert list(contradictions(flawless, {})) == ["1 attempts have failed, but only 0 slots were killed"]


def test_a_queue_that_is_left_is_found(flawless: History) -> None:
    """A run that is over has none."""
    [found] = contradictions(replace(flawless, queues=("fanout-1",)), {Blow.SLOT: 1})
    assert found == "queues are left: fanout-1"


def test_the_forecast_follows_from_the_seed() -> None:
    """Another seed is other weather."""
    first, again = (list(islice(WEATHER.forecast(), 30)) for _ in range(2))
    assert first == again
    assert first != list(islice(replace(WEATHER, seed=2).forecast(), 30))
    assert [at for at, _ in first] == sorted(at for at, _ in first)
    assert max(at for at, _ in WEATHER.forecast()) < WEATHER.lasts
    assert {blow for _, blow in WEATHER.forecast()} == WEATHER.kinds == set(Blow) - {Blow.SERVER, Blow.SUPERVISOR}
    assert WEATHER.supervisor_kills_at() == sorted(WEATHER.supervisor_kills_at())
