"""What is run: many small mini-batches, a script that notes each attempt as it begins, and the output it must give."""

import os
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FANOUT = Path(sys.executable).with_name("fanout")
STEP = "work"
SLOTS = 2
"""Of each node."""
ROWS = 3
"""Rows that each mini-batch returns."""

# A slot that is killed from outside has failed its attempt: nothing tells an unlucky process from a mini-batch that is
# fatal to every process. So whoever expects such weather allows for it: with 10 retries it takes eleven hits on one
# mini-batch to lose it, and every hit lands on one of many thousands.
MAX_RETRIES = 10

# `timeout`: an attempt may be held for most of a storm.
PIPELINE = """\
type: pipeline
inputs:
  files: {{type: uri_folder, path: ./in}}
outputs:
  rows: {{type: uri_file, path: ./rows.txt}}
jobs:
  work:
    type: parallel
    mini_batch_size: "1"
    max_concurrency_per_instance: {slots}
    resources: {{instance_count: {nodes}}}
    retry_settings: {{max_retries: {retries}, timeout: 90}}
    mini_batch_error_threshold: 0
    inputs:
      data: ${{{{parent.inputs.files}}}}
    outputs:
      rows: ${{{{parent.outputs.rows}}}}
    input_data: ${{{{inputs.data}}}}
    task:
      type: run_function
      code: ./src
      entry_script: work.py
      append_row_to: ${{{{outputs.rows}}}}
      environment: azureml:any@latest
"""

NOTE = b"%6d %3d\n"
"""What the script writes down for each attempt; all notes have one length, so that they are counted by their bytes."""
SCRIPT = """\
import os, time
from pathlib import Path

SECONDS = float(os.environ["SECONDS_A_MINI_BATCH"])
HELD_FROM = int(os.environ["HELD_FROM"])
NOTES = Path(os.environ["NOTES"])
GO = NOTES.with_name("go")
NOTE = b"%6d %3d\\n"

def init():
    global notes
    notes = os.open(NOTES / str(os.getpid()), os.O_CREAT | os.O_WRONLY | os.O_APPEND)

def run(mini_batch, context):
    os.write(notes, NOTE % (context.minibatch_index, context.retry_count))
    time.sleep(SECONDS)
    while not GO.exists() and begun() >= HELD_FROM:
        time.sleep(0.01)
    [path] = map(Path, mini_batch)
    number = int(path.read_text())
    return [f"{path.name} {row} {number * number + row}" for row in range(3)]

def begun():
    return sum(path.stat().st_size for path in NOTES.iterdir()) // len(NOTE % (0, 0))
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """One pipeline folder; `run` names its one run, and no other run on this machine is called so.

    When `held_from` attempts have begun, these and all later ones wait until they are let go. Where that is less than
    there are mini-batches the run cannot end before, however fast the machine is.
    """

    folder: Path
    mini_batches: int
    held_from: int
    store: str  # URI
    environ: Mapping[str, str] = field(default_factory=dict)
    run: str = field(default_factory=lambda: f"chaos-{secrets.token_hex(4)}")

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """`fanout …` in the background, in a session of its own; what it says is added to `said.txt`."""
        with (self.folder / "said.txt").open("ab") as said:
            return subprocess.Popen(
                [str(FANOUT), *arguments],
                cwd=self.folder,
                env={**os.environ, "NOTES": str(self.notes), **self.environ},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    @property
    def notes(self) -> Path:
        return self.folder / "notes"

    @property
    def said(self) -> str:
        """All that the commands have said."""
        return (self.folder / "said.txt").read_text(errors="replace")

    def begun(self) -> Counter[tuple[int, int]]:
        """How often each attempt (mini-batch, number) was begun, by the script's own notes."""
        lines = (line for path in self.notes.iterdir() for line in path.read_text().splitlines())
        return Counter((int(index), int(attempt)) for index, attempt in map(str.split, lines))

    def attempts(self) -> int:
        """How many attempts were begun so far, cheaply."""
        return sum(path.stat().st_size for path in self.notes.iterdir()) // len(NOTE % (0, 0))

    def let_go(self) -> None:
        """No attempt waits any longer."""
        (self.folder / "go").touch()

    def output(self) -> bytes:
        """What the run has written; nothing when it has not."""
        path = self.folder / "rows.txt"
        return path.read_bytes() if path.exists() else b""

    def expected(self) -> bytes:
        """What an undisturbed run writes."""
        return "".join(
            f"{number:06d}.txt {row} {number * number + row}\n"
            for number in range(self.mini_batches)
            for row in range(ROWS)
        ).encode()


def make_scene(
    folder: Path,
    *,
    mini_batches: int,
    nodes: int = 2,
    slots: int = SLOTS,
    seconds: float = 0.01,
    visibility: float = 5,
    held_from: int | None = None,
    store: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Scene:
    """A pipeline folder with everything in it; without `store` its run is embedded, without `held_from` none waits."""
    for name in ("in", "src", "notes"):
        (folder / name).mkdir(parents=True)
    for number in range(mini_batches):
        (folder / "in" / f"{number:06d}.txt").write_text(str(number))
    (folder / "pipeline.yml").write_text(PIPELINE.format(nodes=nodes, slots=slots, retries=MAX_RETRIES))
    (folder / "src" / "work.py").write_text(SCRIPT)
    chosen = store or (folder / ".fanout").as_uri()
    (folder / "fanout.toml").write_text(f'store = "{chosen}"\nvisibility = {visibility:g}\n')
    own = {"SECONDS_A_MINI_BATCH": str(seconds), "HELD_FROM": str(held_from or mini_batches)}
    scene = Scene(folder, mini_batches, held_from or mini_batches, chosen, {**(environ or {}), **own})
    if held_from is None:
        scene.let_go()
    return scene
