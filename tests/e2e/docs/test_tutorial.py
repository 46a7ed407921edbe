"""docs/tutorial.md: its files written, its commands run, from the script with a loop to a run with two nodes on S3."""

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests import guides
from tests.guides import BIN, ROOT
from tests.servers import free_port

PAGE = (ROOT / "docs" / "tutorial.md").read_text()


def _until_under_way(folder: Path, run: str, environ: dict[str, str]) -> None:
    """A reader types the next command when the run is under way; nothing else says when that is."""
    deadline = time.monotonic() + guides.LIMIT
    while time.monotonic() < deadline:
        command = [BIN / "fanout", "status", run, "--profile", "local", "--json"]
        ended = subprocess.run(command, cwd=folder, env={**os.environ, **environ}, capture_output=True, text=True)
        if ended.returncode == 0 and json.loads(ended.stdout)["steps"][0]["state"] == "under way":
            return
    raise AssertionError(ended.stdout + ended.stderr)


@pytest.mark.moto
def test_it_is_followed(tmp_path: Path) -> None:
    """Every command ends as the page says, and each of the ways makes the same output."""
    text = PAGE.replace(":5000", f":{(port := free_port())}").replace("--port 5000", f"--port {port}")
    counts = tmp_path / "counts.csv"

    def before(line: str) -> None:
        if line.startswith("fanout node"):
            _until_under_way(tmp_path, "big", shell.environ)
        if line.startswith(("fanout node", "fanout redrive")):
            counts.unlink()  # what is there afterwards was made by that run

    with guides.shell(tmp_path, {"COLUMNS": "80"}, before) as shell:
        printed = "".join(guides.follow(text, shell))
        [run] = [process for line, process in shell.beside.items() if line.startswith("fanout run")]
        assert run.wait(guides.LIMIT) == 0
    rows = counts.read_text().splitlines()
    assert rows[0] == "file,words,different"
    assert [row.partition(",")[0] for row in rows[1:]] == [f"{number:02d}.txt" for number in range(40)]
    assert "UnicodeDecodeError" in printed
    assert "joining run big, step count" in printed
    assert printed.count("41 counts.csv") == 2
    template = (tmp_path / "template.yml").read_text()
    assert re.search(r'^  MaximumWorkers:\n(?:    .*\n)*?    Default: "1000"$', template, re.MULTILINE)
