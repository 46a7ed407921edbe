"""README's first hour: a CSV and one's own function to a parquet file, from the command line and from Python.

The commands and the code are those of README, in the order in which a reader meets them.
"""

import re
import subprocess
from pathlib import Path

from tests.guides import BIN, ROOT

SECTION = (ROOT / "README.md").read_text().partition("## Without a pipeline file")[2].partition("\n## ")[0]
SALES = "item,price,count\na,1.5,2\n00001,2,3\n"
READ = "import pandas; print(pandas.read_parquet('totals.parquet').to_csv(index=False), end='')"
TOTALS = "item,price,count,total\na,1.5,2,3.0\n00001,2.0,3,6.0\n"


def _run(folder: Path, *command: str | Path) -> str:
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_a_table_and_a_function(tmp_path: Path) -> None:
    """At most ten lines each; the file has the columns of the table and the new one, and no value has changed."""
    script, code = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    command = re.search(r"^    fanout (run score.py:score .*) -o totals.csv$", SECTION, re.MULTILINE)
    assert command is not None
    assert max(len([line for line in text.splitlines() if line]) for text in (script, code)) <= 10
    (tmp_path / "sales.csv").write_text(SALES)
    (tmp_path / "score.py").write_text(script)
    _run(tmp_path, BIN / "fanout", *command[1].split(), "-o", "totals.parquet")
    assert _run(tmp_path, BIN / "python", "-c", READ) == TOTALS
    (tmp_path / "totals.parquet").unlink()
    (tmp_path / "go.py").write_text(code)
    assert "00001" in _run(tmp_path, BIN / "python", "go.py")
    assert _run(tmp_path, BIN / "python", "-c", READ) == TOTALS
