"""The part that all peers on tables share: where the table is, and joining the parts of an output to one file."""

import argparse
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

HEADER = "id,label\n"


def main(score_all: Callable[[Path, Path], Iterable[Path]]) -> None:
    """The whole of a peer's script: `score_all` leaves headerless parts in a folder of its own, and names them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("table", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    folder = arguments.output.parent / "parts"
    folder.mkdir()
    parts = score_all(arguments.table, folder)
    with arguments.output.open("wb") as output:
        output.write(HEADER.encode())
        for part in parts:
            with part.open("rb") as rows:
                shutil.copyfileobj(rows, output, 1024 * 1024)
