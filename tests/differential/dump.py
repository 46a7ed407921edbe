"""Pipeline files as Azure's SDK prints and dumps them: run by the interpreter that has it, as ask.py is.

Reads a JSON list of paths; beside each file it writes `printed-<name>`, as `print(job)` shows it, and `dumped-<name>`,
as `job.dump()` does.
"""

import json
import logging
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)


def main() -> None:
    from azure.ai.ml import load_job

    for path in map(Path, json.load(sys.stdin)):
        job = load_job(path)
        path.with_name(f"printed-{path.name}").write_text(str(job))
        job.dump(str(path.with_name(f"dumped-{path.name}")))
    print("null")


main()
