"""The entry script of fanout's side: `work` on each mini-batch."""

import argparse

from work import work

_parser = argparse.ArgumentParser(allow_abbrev=False)
_parser.add_argument("--milliseconds", type=float, default=0.0)
_parser.add_argument("--reads", action="store_true")
_parser.add_argument("--sleeps", action="store_true")
_arguments, _ = _parser.parse_known_args()


def run(mini_batch: list[str]) -> list[str]:
    """The rows of one mini-batch."""
    rows: list[str] = work(mini_batch, _arguments.milliseconds, reads=_arguments.reads, sleeps=_arguments.sleeps)
    return rows
