"""What the tests of the command line share: a folder of one's own, and the command line itself."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fanout.cli import answer

PIPELINE = """\
type: pipeline
inputs:
  files: {type: uri_folder, path: ./in}
  rate: 0.5
  limit: {type: integer, default: 3}
jobs:
  score:
    type: parallel
    mini_batch_size: "2"
    max_concurrency_per_instance: 1
    inputs:
      data: ${{parent.inputs.files}}
    outputs:
      rows: {type: uri_file, path: ./rows.txt}
    input_data: ${{inputs.data}}
    task:
      type: run_function
      code: ./src
      entry_script: score.py
      append_row_to: ${{outputs.rows}}
      environment: azureml:any@latest
"""


@dataclass(frozen=True)
class Answered:
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def fields(self) -> Any:
        """Its JSON."""
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and an environment that says nothing of stores."""
    for name in ("FANOUT_STORE", "FANOUT_QUEUE", "FANOUT_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def pipeline(folder: Path) -> Path:
    """A pipeline file with six input files; its script doubles their numbers."""
    (folder / "in").mkdir()
    for n in range(6):
        (folder / "in" / f"{n}.txt").write_text(str(n))
    (folder / "src").mkdir()
    (folder / "src" / "score.py").write_text(
        "from pathlib import Path\ndef run(mini_batch):\n"
        "    print('did', len(mini_batch))\n    return [2 * int(Path(p).read_text()) for p in mini_batch]\n"
    )
    path = folder / "pipeline.yml"
    path.write_text(PIPELINE)
    return path


@pytest.fixture
def fanout(capfd: pytest.CaptureFixture[str]) -> Callable[..., Answered]:
    """Carries out a command line in this process."""

    def carry_out(*arguments: str) -> Answered:
        code = answer(arguments)
        out, err = capfd.readouterr()
        return Answered(code, out, err)

    return carry_out
