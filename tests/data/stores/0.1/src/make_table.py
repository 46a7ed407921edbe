"""Writes a table of forty rows and its MLTable file into the folder it is given."""

import sys
from pathlib import Path

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
(folder / "rows.csv").write_text("n,name\n" + "".join(f"{n},row {n}\n" for n in range(40)))
(folder / "MLTable").write_text("type: mltable\npaths:\n  - file: ./rows.csv\ntransformations:\n  - read_delimited\n")
