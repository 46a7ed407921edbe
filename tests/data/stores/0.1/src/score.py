"""One row a file; a file that says 5 fails, and the third file waits while the file `hold` is there."""

import time
from pathlib import Path

HOLD = Path("/tmp/fanout-golden-0.1/hold")


def run(mini_batch: list[str]) -> list[str]:
    rows = []
    for name in mini_batch:
        path = Path(name)
        while path.name == "f2.txt" and HOLD.exists():
            time.sleep(0.05)
        text = path.read_text().strip()
        if text == "5":
            raise ValueError("cannot score 5")
        rows.append(f"{path.name} {text}")
    return rows
