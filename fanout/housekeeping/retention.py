"""Which runs are old enough to go, and why others stay. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunAge:
    """A run: when it last changed and was created (epoch seconds), whether it is over, what it has taken over."""

    run: str
    changed: float
    over: bool
    created: float = 0.0
    needs: frozenset[str] = frozenset()  # runs whose outputs it has taken over


@dataclass(frozen=True, slots=True)
class Kept:
    """A run that is old enough to go, and stays."""

    run: str
    reason: str


def expired(runs: Sequence[RunAge], now: float, older_than: float, keep: int) -> tuple[list[str], tuple[Kept, ...]]:
    """The runs that go, newest first, so that those which took something over go first; and the old ones that stay.

    A run goes when it is over, has not changed for `older_than` seconds, is none of the newest `keep`, and no run that
    stays has taken over what it made.
    """
    newest = {run.run for run in sorted(runs, key=lambda run: run.created, reverse=True)[:keep]}
    old = [run for run in runs if now - run.changed > older_than and run.run not in newest]
    unfinished = [Kept(run.run, "is not over") for run in old if not run.over]
    going = {run.run: run for run in old if run.over}
    needed: dict[str, str] = {}
    while found := {name: run.run for run in runs if run.run not in going for name in run.needs if name in going}:
        needed |= found
        for name in found:
            del going[name]
    in_use = [Kept(name, f"run {user} has taken over what it made") for name, user in needed.items()]
    return sorted(going, key=lambda name: going[name].created, reverse=True), (*unfinished, *in_use)
