"""The runs that a notebook or script has submitted, for `fanout azure`, which waits for them.

A file of JSON lines that the variable FANOUT_AZURE_SUBMISSIONS names; nothing is noted without it.
"""

import json
import os
from pathlib import Path

VARIABLE = "FANOUT_AZURE_SUBMISSIONS"


def note_submission(run: str, store: str) -> None:
    """The run is in the file."""
    if path := os.environ.get(VARIABLE):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps([run, store]) + "\n")


def submissions(path: Path) -> list[tuple[str, str]]:
    """Names and stores of the runs in the file, in their order."""
    if not path.is_file():
        return []
    return [(run, store) for run, store in map(json.loads, path.read_text("utf-8").splitlines())]
