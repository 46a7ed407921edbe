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


def test_a_run_is_named_by_its_beginning(fanout: Any, pipeline: Path) -> None:
    """Where that means one run; else those that it may mean are named, or the nearest."""
    for name in ("brave_lake", "brave_elm", "calm"):
        assert fanout("run", "pipeline.yml", "--name", name).code == 0
    assert fanout("status", "brave_l").out.startswith("brave_lake  Completed")
    said = fanout("status", "brave")
    assert (said.code, said.err) == (2, "2 runs have names that begin with brave: brave_elm, brave_lake\n")
    said = fanout("failures", "brave_lane")
    assert (said.code, said.err) == (
        2,
        "there is no run named brave_lane in this store; did you mean 'brave_lake'?\n",
    )
    for verb in ("resume", "redrive", "cancel"):
        assert "brave_lake" in fanout(verb, "brave_la").out, verb


def test_a_store_is_found_above(fanout: Any, pipeline: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As git finds its own; it is said, and one that other users may change is refused."""
    assert fanout("run", "pipeline.yml", "--name", "r").code == 0
    (folder / "in/deeper").mkdir()
    monkeypatch.chdir(folder / "in/deeper")
    assert fanout("status").out.startswith("r  Completed")
    said = fanout("run", "../../pipeline.yml", "--name", "s")
    assert said.code == 0
    assert said.err.startswith(f"store {folder}/.fanout, found above this folder\n")
    assert "  more        fanout status s\n" in said.out or "fanout status s\n" in said.out
    assert not (folder / "in/deeper/.fanout").exists()
    (folder / ".fanout").chmod(0o777)
    said = fanout("status")
    assert said.code == 2
    assert "every user may write to" in said.err
