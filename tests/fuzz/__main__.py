"""`python -m tests.fuzz [--reader NAME …] [--seconds 60] [--seed N] [--case N]`."""

import argparse
import random
import resource
import sys
from collections.abc import Sequence

from tests.fuzz.engine import body_of, complaint, fuzz
from tests.fuzz.reader import Reader
from tests.fuzz.readers import ALL, BY_NAME

MEMORY = 4 * 1024**3
"""Bytes of address space: a bomb ends as a MemoryError, which is a finding, and not with the machine."""


def main() -> int:
    """Exit code 1 when a reader did not stand an input."""
    arguments = _parse()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    readers = [BY_NAME[name] for name in arguments.reader] or list(ALL)
    seed = random.randrange(2**32) if arguments.seed is None else arguments.seed  # noqa: S311 - to be repeated
    if arguments.case is not None:
        return _replay(readers, seed, arguments.case)
    print(f"{len(readers)} readers, seed {seed}, {arguments.seconds:g} seconds", flush=True)
    tried, kinds = 0, set[str]()
    for found in fuzz(readers, seed, seconds=arguments.seconds, cases=sys.maxsize):
        tried += 1
        if found is not None and found.kind not in kinds:
            kinds.add(found.kind)
            print(f"\n{found}", flush=True)
    print(f"{tried} inputs, {len(kinds)} kinds of findings")
    return 1 if kinds else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--reader", action="append", choices=BY_NAME, default=[], help="this one only (again for more)")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--case", type=int, help="replay this input alone")
    return parser.parse_args()


def _replay(readers: Sequence[Reader], seed: int, case: int) -> int:
    bad = 0
    for reader in readers:
        body = body_of(reader, seed, case)
        what = complaint(reader, body)
        print(f"{reader.name}: {body!r}\n{what or 'stands it'}")
        bad += what is not None
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
