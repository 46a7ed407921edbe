from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize("verb", ["status", "list", "logs"])
def test_without_a_store_there_is_nothing_to_see(fanout: Any, folder: Path, verb: str) -> None:
    """The folder that was looked for is named, and not made."""
    said = fanout(verb)
    assert said.code == 2
    assert said.err.startswith(f"there are no runs here: {folder}/.fanout does not exist")
    assert not (folder / ".fanout").exists()


def test_an_empty_store_lists_no_runs(fanout: Any, folder: Path) -> None:
    """An empty list is no error, but there is no newest run."""
    (folder / ".fanout").mkdir()
    assert fanout("list").out == ""
    assert fanout("list", "--json").fields == {"runs": []}
    said = fanout("status")
    assert (said.code, said.err) == (2, "there are no runs in this store; `fanout run PIPELINE` makes one\n")


def test_a_run_that_is_not_there_is_named(fanout: Any, folder: Path) -> None:
    """With the command that shows those there are."""
    (folder / ".fanout").mkdir()
    assert "there is no run named r" in fanout("status", "r").err
    assert "`fanout list`" in fanout("logs", "r").err


@pytest.mark.parametrize("verb", ["status", "logs", "resume", "node"])
def test_a_name_that_no_run_has_is_the_users_mistake(fanout: Any, folder: Path, verb: str) -> None:
    """Exit code 2 and what a name looks like, whichever verb it was given to."""
    (folder / ".fanout").mkdir()
    said = fanout(verb, "../x")
    assert said.code == 2
    assert said.err.startswith("'../x' cannot name a run: expected ")
