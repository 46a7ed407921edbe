"""Scenarios of size, fanout alone: how time and memory grow with the number of mini-batches, and with the output."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import SLOTS
from benchmarks.processes import Peaks, run_watched
from benchmarks.report import Measured
from benchmarks.sample import Series
from benchmarks.turns import Terms, fresh, scratch_folder

COUNTS = (1_000, 10_000, 100_000, 1_000_000)
FILES = 1_000
"""Real files; the input names their folder as often as it takes."""
TIME_LIMIT = 1_800.0
REDUCED = 5 * 1024**3
MINI_BATCH_ROWS = 1024**2


@dataclass(frozen=True, slots=True)
class Watched:
    """One run: its phases in seconds, and the memory of its processes in MiB."""

    mini_batches: int
    wall: float
    planning: float
    peaks: Peaks


def scale(terms: Terms) -> Iterator[Measured]:
    """From a thousand mini-batches to a million, one file each."""
    terms.fanout.prepare()
    runs: dict[str, Watched] = {}
    with scratch_folder() as scratch:
        folder = scratch / "files"
        folder.mkdir()
        for number in range(FILES):
            (folder / f"{number:04d}").touch()
        for count in sorted({max(FILES, round(terms.scaled(count), -3)) for count in COUNTS}):
            runs[f"{count:,}"] = _scale_run(terms, folder, count, scratch)
    note = (
        "The run's own process plans, supervises and reduces. Planning is counted from the step's record to the end of "
        "the plan, with every message sent, while nodes work beside it on the same two cores."
    )
    yield _measured(runs, "the whole process", "mini-batches/s", lambda run: run.mini_batches / run.wall)
    yield _measured(runs, "planned and sent", "mini-batches/s", lambda run: run.mini_batches / run.planning, note)
    for kind in ("run", "node", "slot"):
        yield _measured(runs, f"most memory of a {kind} process", "MiB", _peak_of(kind))


def _measured(
    runs: Mapping[str, Watched], what: str, unit: str, number: Callable[[Watched], float], note: str = ""
) -> Measured:
    found = {f"{name} mini-batches": Series((number(run),)) for name, run in runs.items()}
    return Measured(f"scale: {what}", unit, 0, found, note)


def _peak_of(kind: str) -> Callable[[Watched], float]:
    return lambda run: run.peaks[kind]


def _scale_run(terms: Terms, folder: Path, count: int, scratch: Path) -> Watched:
    with fresh(scratch, "run") as place:
        table = place / "input"
        table.mkdir()
        (table / "MLTable").write_text("paths:\n" + f"  - folder: {folder}\n" * (count // FILES))
        script = place / "code"
        script.mkdir()
        (script / "entry.py").write_text("def run(mini_batch):\n    return [path[-4:] for path in mini_batch]\n")
        (place / "pipeline.yml").write_text(_pipeline(f"{{type: mltable, path: {table}, mode: ro_mount}}", script, "1"))
        run = _run(terms, place, count)
        with (place / "merged.txt").open() as output:
            wrong = next((at for at, line in enumerate(output) if line != f"{at % FILES:04d}\n"), None)
        if wrong is not None:
            raise SystemExit(f"benchmarks: scale: row {wrong} of {count} is wrong")
        return run


def reduce(terms: Terms) -> Iterator[Measured]:
    """Rows of 5 GB in all: joining them to one output, and `cat` of the same result objects, in turns.

    The run itself is not counted: it is the first to write so much, and a virtual machine may have to ask its host for
    memory that it has not used lately, which makes a write up to five times slower. `fanout resume` does the reducing
    again, as after a crash, and is counted from the start of its process to its end.
    """
    terms.fanout.prepare()
    count = terms.scaled(REDUCED // MINI_BATCH_ROWS)
    with scratch_folder() as scratch, fresh(scratch, "run") as place:
        files, script = place / "files", place / "code"
        files.mkdir()
        script.mkdir()
        for number in range(count):
            (files / f"{number:05d}").touch()
        (script / "entry.py").write_text(ROWS_SCRIPT)
        (place / "pipeline.yml").write_text(_pipeline(f"{{type: uri_folder, path: {files}}}", script, "1"))
        run, size = _run(terms, place, count), count * MINI_BATCH_ROWS
        seconds = dict[str, list[float]]({"fanout resume": [], "cat": []})
        for _ in range(terms.repetitions):
            (place / "merged.txt").unlink()
            seconds["cat"].append(_cat(place))
            seconds["fanout resume"].append(_reduced_again(terms, place))
            if (found := (place / "merged.txt").stat().st_size) != size:
                raise SystemExit(f"benchmarks: reduce: {found} bytes of {count} mini-batches")
    title = f"reduce: {size / 1e9:.1f} GB of rows in {count:,} mini-batches"
    rates = {name: Series(tuple(size / s / 1e6 for s in each)) for name, each in seconds.items()}
    yield Measured(f"{title}, the whole process that joins them", "MB/s", 0, rates)
    yield Measured(f"{title}, most memory of the run's process", "MiB", 0, {"fanout": Series((run.peaks["run"],))})


ROWS_SCRIPT = f"""\
LINES = ["0123456789" * 10 + "012"] * {MINI_BATCH_ROWS // 104}
LINES.append("x" * ({MINI_BATCH_ROWS} - 104 * len(LINES) - 1))


def run(mini_batch):
    return LINES
"""
"""Rows of 104 bytes with their newline, 1 MiB for each call."""


def _reduced_again(terms: Terms, place: Path) -> float:
    """Seconds that `fanout resume` takes when nothing is left to do but to join the rows."""
    [concluded] = place.glob("store/runs/*/work/concluded.json")
    run = concluded.parents[1]
    concluded.unlink()
    (run / "verdict.json").unlink()
    begun = time.perf_counter()
    resume = [terms.fanout.command, "resume", run.name]
    subprocess.run(resume, cwd=place, check=True, stdout=subprocess.DEVNULL, timeout=TIME_LIMIT)
    return time.perf_counter() - begun


def _cat(place: Path) -> float:
    """Seconds that `cat` takes to join all result objects to one file."""
    objects = sorted(str(path) for path in place.glob("store/runs/*/*/results/*/*"))
    copy = place / "copy"
    begun = time.perf_counter()
    with copy.open("wb") as out:
        subprocess.run(["cat", *objects], stdout=out, check=True)
    seconds = time.perf_counter() - begun
    copy.unlink()
    return seconds


def _run(terms: Terms, place: Path, count: int) -> Watched:
    (place / "fanout.toml").write_text('store = "./store"\n')
    print(f"{count:,} mini-batches: fanout", file=sys.stderr)
    wall, peaks = run_watched([terms.fanout.command, "run", "pipeline.yml"], place, TIME_LIMIT)
    [step] = place.glob("store/runs/*/work")
    begun, planned = ((step / name).stat().st_mtime for name in ("step.json", "plan.json"))
    return Watched(count, wall, planned - begun, peaks)


def _pipeline(source: str, script: Path, size: str) -> str:
    return f"""\
type: pipeline
outputs:
  rows: {{type: uri_file, path: ./merged.txt}}
jobs:
  work:
    type: parallel
    compute: local
    inputs:
      files: {source}
    outputs:
      rows: ${{{{parent.outputs.rows}}}}
    input_data: ${{{{inputs.files}}}}
    mini_batch_size: "{size}"
    max_concurrency_per_instance: {SLOTS}
    mini_batch_error_threshold: 0
    task:
      type: run_function
      code: {script}
      entry_script: entry.py
      append_row_to: ${{{{outputs.rows}}}}
      environment: azureml:none:1
"""
