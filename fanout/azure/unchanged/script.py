"""The process of a script that `fanout azure` runs: `python -m fanout.azure.unchanged.script SCRIPT ARGUMENTS…`."""

import runpy
import sys
from pathlib import Path

from fanout.azure.unchanged.substitutes import substitute

if __name__ == "__main__":
    substitute()
    del sys.argv[0]
    sys.path.insert(0, str(Path(sys.argv[0]).absolute().parent))
    runpy.run_path(sys.argv[0], run_name="__main__")
