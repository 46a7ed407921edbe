"""What it costs to begin: the command line's first answer, and the import of each library."""

from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.contenders import timed
from benchmarks.environments import python_of
from benchmarks.report import Measured
from benchmarks.turns import Terms, in_turn, scratch_folder, series

IMPORTS = {"joblib": "joblib", "ray": "ray", "dask": "distributed", "lithops": "lithops", "celery": "celery"}


def startup(terms: Terms) -> Iterator[Measured]:
    """`fanout --help`, and what a script pays before its first line when it uses a peer."""
    terms.fanout.prepare()
    commands = {
        "fanout --help": (terms.fanout.command, "--help"),
        "fanout run --help": (terms.fanout.command, "run", "--help"),
    }
    for library, module in IMPORTS.items():
        if library in terms.libraries:
            commands[f"import {module}"] = (python_of(library), "-c", f"import {module}")

    def turn(command: tuple[str, ...]) -> Callable[[Path], float]:
        return lambda place: timed(command, place, {})[0].seconds

    with scratch_folder() as scratch:
        turns = {name: turn(command) for name, command in commands.items()}
        in_turn(turns, 1, "startup, not counted", scratch)  # reads everything from the disk once
        found = in_turn(turns, max(5, terms.repetitions), "startup", scratch)
    yield Measured("startup: a process that only begins", "s", 3, series(found, float))
