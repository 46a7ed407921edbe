"""Names of runs."""

import random

import pytest

from fanout.errors import RunError
from fanout.records.run_names import check_name, make_name


def test_made_up_names_are_valid_and_differ() -> None:
    """Adjective, noun and six characters; a thousand of them are a thousand names."""
    chance = random.Random(1)  # noqa: S311 - the same names each time
    names = {make_name(chance) for _ in range(1000)}
    assert len(names) == 1000
    assert all(check_name(name) == name and name.count("_") == 2 for name in names)


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a..b", " a", "-a", "a" * 129, "ä", "a\n"])
def test_names_that_would_spoil_keys_are_refused(name: str) -> None:
    """A name becomes part of keys and of queue names."""
    with pytest.raises(RunError, match="cannot name a run"):
        check_name(name)
