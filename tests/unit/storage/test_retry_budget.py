"""How long, and with which pauses, servers are asked again."""

from itertools import islice

import pytest

from fanout.backoff import SERVERS
from fanout.errors import SettingsError
from fanout.storage.access import Access
from fanout.storage.retry_budget import RETRY_BUDGET, client_config, pauses, retry_config


def test_pauses_grow_up_to_a_bound_and_differ() -> None:
    """Full jitter: nobody comes back at the same time as all others, and nobody waits for minutes."""
    many = [list(islice(pauses(RETRY_BUDGET), 20)) for _ in range(50)]
    assert all(0 <= pause <= SERVERS.longest for found in many for pause in found)
    assert all(found[0] <= SERVERS.first for found in many)
    assert max(found[-1] for found in many) > SERVERS.longest / 2
    assert len({found[-1] for found in many}) == 50


def test_the_bound_is_the_time_not_the_number_of_tries() -> None:
    """obstore's eight tries were over in 1.7 seconds."""
    config = retry_config(60.0)
    assert config["retry_timeout"].total_seconds() == 60.0
    assert config["max_retries"] >= 1000
    assert client_config(120.0)["read_timeout"] == "30000ms"


def test_a_short_patience_has_short_pauses() -> None:
    """A pause never outlasts the bound by much."""
    assert max(islice(pauses(4.0), 100)) <= 0.5


def test_patience_comes_from_the_environment_and_goes_to_nodes() -> None:
    """FANOUT_PATIENCE holds for every process of a run."""
    assert Access.from_environ({}).patience == RETRY_BUDGET
    assert Access.from_environ({}).child_environ().get("FANOUT_PATIENCE") is None
    short = Access.from_environ({"FANOUT_PATIENCE": "2.5"})
    assert short.patience == 2.5
    assert Access.from_environ(short.child_environ()).patience == 2.5


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf", "1e9"])
def test_nonsense_is_refused(text: str) -> None:
    """With the name of the variable and what was expected."""
    with pytest.raises(SettingsError, match=r"FANOUT_PATIENCE: expected seconds"):
        Access.from_environ({"FANOUT_PATIENCE": text})
