"""Another round of a run, in a world where things go wrong again: every mini-batch once, whichever round it is from."""

import pytest

from fanout.records.seal import step_seal
from fanout.storage import keys
from tests.simulation.ports.slots import row_text
from tests.simulation.scenario import Act, Scenario, UserCode
from tests.simulation.simulate import AT, Simulation, play, simulated
from tests.simulation.world import Death, Rates

TROUBLE = Rates(latency=0.01, refused=0.01, unanswered=0.01, conflict=0.05, lost=0.05, doubled=0.1, shuffled=True)


def _scenario(seed: int) -> Scenario:
    user = UserCode(seed, bad=0.3, acts=(Act.RAISES, Act.DIES))
    return Scenario(seed, files=20, max_receives=100, max_retries=1, user=user, rates=TROUBLE, troubled_until=5.0)


def _check(simulation: Simulation) -> None:
    loop, bucket, user = simulation.world.loop, simulation.bucket, simulation.scenario.user
    told = "\n".join(map(str, (*simulation.world.defects, *simulation.world.history[-80:])))
    assert not simulation.world.defects, told
    assert not loop.failures(), told
    first, second = (loop.run_until_complete(step_seal(bucket, AT.in_round(number))) for number in (1, 2))
    assert first is not None
    assert second is not None, told
    assert (second.counts.total, second.counts.succeeded) == (20, 20), told
    assert first.counts.succeeded < 20
    assert bucket.look("out/rows.txt") == b"".join(row_text("text", index, 0) * user.rows(index) for index in range(20))
    assert not simulation.queues.pairs, told


@pytest.mark.parametrize("first", [0, 20])
def test_a_redrive_in_trouble_completes_the_output(first: int) -> None:
    """Calls fail, messages are lost and doubled, in both rounds; what succeeded in the first is not done again."""
    for seed in range(first, first + 20):
        with simulated(_scenario(seed)) as simulation:
            play(simulation)
            sealed, before = simulation.bucket.look(keys.verdict(AT)), len(simulation.world.executions)
            simulation.world.loop.run_until_complete(simulation.redrive(troubled_for=5.0))
            _check(simulation)
            assert simulation.bucket.look(keys.verdict(AT)) == sealed, "the former round stays as it was"
            again = {index for index, _ in simulation.world.executions[before:]}
            returned = {index for (index, number) in simulation.world.returned if number <= before}
            assert again.isdisjoint(returned), "what has succeeded is not run again"


def test_a_redrive_may_die_at_any_call() -> None:
    """Whoever resumes it goes on with the same round: the same output, no third round."""
    for call in range(1, 75, 4):
        with simulated(Scenario(3, files=20, max_retries=0, user=UserCode(3, bad=0.3))) as simulation:
            play(simulation)
            name = f"supervisor{len(simulation.supervisors)}"
            simulation.world.deaths = {name: Death(call)}
            simulation.world.loop.run_until_complete(simulation.redrive(troubled_for=0.0))
            _check(simulation)
            assert any(event.what == "killed" for event in simulation.world.history), (
                f"it makes fewer than {call} calls"
            )
            assert simulation.bucket.look(keys.redrive_json(AT.run, 3)) is None
