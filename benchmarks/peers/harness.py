"""The part that all peers share: cut the input, take in the rows in order, join them to one file.

`python -m benchmarks.peers.<peer> FOLDER --size ITEMS --milliseconds CPU_TIME [--reads] --output FILE` prints one JSON
line.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from benchmarks.script.work import work

WORKERS = 2

Batches = Sequence[list[str]]
Call = Callable[[list[str]], list[str]]
"""What is done with one mini-batch; it can be pickled."""
Dispatch = Callable[[Batches, Call], Iterable[tuple[int, list[str]]]]
"""Has the call made on each mini-batch; gives index and rows as they arrive."""


def main(dispatch: Dispatch) -> None:
    """The whole of a peer's script."""
    arguments = _arguments()
    batches = cut(arguments.folder, arguments.size)
    rows: list[list[str]] = [[]] * len(batches)
    done = 0.0
    call = partial(work, milliseconds=arguments.milliseconds, reads=arguments.reads)
    for index, answer in dispatch(batches, call):
        rows[index] = answer
        done = time.time()
    with open(arguments.output, "w", encoding="utf-8") as output:  # noqa: PTH123 - this script is timed as a whole
        output.writelines(f"{row}\n" for answer in rows for row in answer)
    print(json.dumps({"done": done}))


def cut(folder: str, size: int) -> list[list[str]]:
    """The files of a folder in the order of their names, `size` to a mini-batch."""
    with os.scandir(folder) as entries:
        files = sorted(entry.path for entry in entries)
    return [files[start : start + size] for start in range(0, len(files), size)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--milliseconds", type=float, default=0.0)
    parser.add_argument("--reads", action="store_true")
    parser.add_argument("--output", required=True)
    return parser.parse_args()
