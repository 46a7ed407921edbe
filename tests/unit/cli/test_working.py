import asyncio
from pathlib import Path
from typing import Any

import pytest

from fanout.cli.pipelines import load
from fanout.run.record import RunRecord, create_record
from fanout.store.access import Access
from fanout.store.open import open_store


def test_a_node_needs_a_run(fanout: Any, folder: Path) -> None:
    """A store or run that is not there is the user's mistake."""
    assert fanout("node", "r").code == 2
    (folder / ".fanout").mkdir()
    assert "there is no run named r" in fanout("node", "r").err


def test_a_node_needs_a_step_under_way(fanout: Any, pipeline: Path, folder: Path) -> None:
    """Without --step it looks for one that has started; with it, for that one."""
    store = open_store(str(folder / ".fanout"), Access())
    asyncio.run(create_record(store, RunRecord("r", load(pipeline, None), 0.0)))
    assert fanout("node", "r").err == (
        "no parallel step of run r is under way; `fanout status r` shows where it stands\n"
    )
    said = fanout("node", "r", "--step", "score")
    assert said.code == 2
    assert "there is no step score of a run r in this store, or it has not started yet" in said.err


@pytest.mark.parametrize("step", ["../score", "nothing", "/"])
def test_a_step_that_the_run_does_not_have_is_named(fanout: Any, pipeline: Path, folder: Path, step: str) -> None:
    """With those it has; exit code 2."""
    store = open_store(str(folder / ".fanout"), Access())
    asyncio.run(create_record(store, RunRecord("r", load(pipeline, None), 0.0)))
    said = fanout("node", "r", "--step", step)
    assert (said.code, said.err) == (2, f"run r has no step {step}; it has score\n")
