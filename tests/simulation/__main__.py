"""Worlds with the real services, and states of the machines alone.

`python -m tests.simulation [--seeds N] [--first S] [--jobs 2] [--seed S] [--trace] [--variant NAME]`
`python -m tests.simulation explore [--states N] [--first S] [--jobs 2] [--broken NAME]`
"""

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.simulation.exploration.broken_machines import BROKEN
from tests.simulation.exploration.run_explorer import explored
from tests.simulation.runner import Ended, run_seed, several, told
from tests.simulation.variants import VARIANTS

CHUNK = 20


def main() -> int:
    """Exit code 1 when a promise was broken."""
    if sys.argv[1:2] == ["explore"]:
        return _explore(_parse_explore(sys.argv[2:]))
    arguments = _parse()
    if arguments.seed is not None:
        ended = run_seed(arguments.seed, arguments.variant)
        if arguments.trace:
            print("\n".join(map(str, ended.history)))
        print(f"seed {ended.seed}: {ended.verdict} after {ended.seconds:.1f} virtual seconds")
        print("\n".join(ended.broken))
        return 1 if ended.broken else 0
    return _many(arguments)


def _explore(arguments: argparse.Namespace) -> int:
    begun, share = time.monotonic(), arguments.states // arguments.jobs
    with ProcessPoolExecutor(arguments.jobs, multiprocessing.get_context("spawn")) as pool:
        seeds = range(arguments.first, arguments.first + arguments.jobs)
        found = list(pool.map(explored, seeds, [share] * arguments.jobs, [arguments.broken] * arguments.jobs))
    states, seconds = sum(count for count, _ in found), time.monotonic() - begun
    broken = [text for _, text in found if text]
    print("\n".join(broken) or "no decision broke a promise")
    print(f"{states:,} states in {seconds:.0f} s ({60 * states / seconds:,.0f} a minute)")
    return 1 if broken else 0


def _many(arguments: argparse.Namespace) -> int:
    begun, verdicts, bad = time.monotonic(), Counter[str](), 0
    for ended in _ended(arguments):
        verdicts[ended.verdict] += 1
        if ended.broken:
            bad += 1
            _tell(ended, arguments.variant)
            if bad >= arguments.most:
                break
    seconds = time.monotonic() - begun
    told = ", ".join(f"{count} {name}" for name, count in sorted(verdicts.items()))
    worlds = verdicts.total()
    print(f"{worlds} worlds in {seconds:.0f} s ({worlds / seconds:.0f}/s): {told}; {bad} broke a promise")
    return 1 if bad else 0


def _ended(arguments: argparse.Namespace) -> Iterator[Ended]:
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    if arguments.jobs == 1:
        yield from (told(seed, arguments.variant) for seed in seeds)
        return
    pool = ProcessPoolExecutor(arguments.jobs, multiprocessing.get_context("spawn"))
    try:
        chunks = [pool.submit(several, seeds[at : at + CHUNK], arguments.variant) for at in range(0, len(seeds), CHUNK)]
        for chunk in as_completed(chunks):
            yield from chunk.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _tell(ended: Ended, variant: str | None) -> None:
    print(f"--- seed {ended.seed} broke a promise:")
    for line in ended.broken:
        print(f"    {line}")
    print("    the end of its history:")
    for event in ended.history:
        print(f"    {event}")
    more = f" --variant {variant}" if variant else ""
    print(f"    again: python -m tests.simulation --seed {ended.seed}{more} --trace", flush=True)


def _parse_explore(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation explore", allow_abbrev=False)
    parser.add_argument("--states", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--broken", choices=BROKEN)
    return parser.parse_args(given)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__, allow_abbrev=False)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--variant", choices=VARIANTS)
    parser.add_argument("--most", type=int, default=5, help="stop after so many broken worlds")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
