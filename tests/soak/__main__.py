"""`python -m tests.soak [--minutes 10] [--world embedded|localstack]`: exit code 1 when something has grown."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.chaos.scene import make_scene
from tests.chaos.world import WORLDS, world
from tests.soak.long_run import SECONDS_A_MINI_BATCH, mini_batches_for, watch_long_run
from tests.soak.many_runs import watch_many_runs
from tests.soak.readings import Growth


def main() -> int:
    """Half of the time for one long run, the other half for many short ones."""
    arguments = _parse()
    seconds = 30 * arguments.minutes
    with tempfile.TemporaryDirectory(prefix="fanout-soak-") as name, world(arguments.world, Path(name)) as place:
        store, environ = place
        long = make_scene(
            Path(name) / "long",
            mini_batches=mini_batches_for(seconds),
            nodes=1,
            seconds=SECONDS_A_MINI_BATCH,
            store=store,
            environ=environ,
        )
        grown = list(watch_long_run(long, seconds))
        print(f"one run, {seconds:.0f} s: {long.attempts()} attempts of {long.mini_batches}", flush=True)
        _show(grown)
        short = make_scene(Path(name) / "short", mini_batches=20, nodes=1, seconds=0.0, store=store, environ=environ)
        embedding, runs = watch_many_runs(short, seconds)
        print(f"many runs, {seconds:.0f} s: {runs}")
        _show([embedding] if embedding else [])
    wrong = [sentence for each in [*grown, *([embedding] if embedding else [])] for sentence in each.excess()]
    for sentence in wrong:
        print(f"GROWN: {sentence}")
    return 1 if wrong else 0


def _show(grown: list[Growth]) -> None:
    print(f"{'process':<28}{'memory, MiB':>18}{'threads':>14}{'descriptors':>16}")
    for each in sorted(grown, key=lambda g: g.process):
        a, b = each.beginning, each.end
        print(
            f"{each.process:<28}{a.memory:>9.1f}{b.memory:>9.1f}{a.threads:>7.0f}{b.threads:>7.0f}"
            f"{a.descriptors:>8.0f}{b.descriptors:>8.0f}",
            flush=True,
        )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Whether anything grows with work.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--world", choices=WORLDS, default="embedded")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
