"""`fanout.map` beside the same as a pipeline file, and beside the map of each library: 100,000 items, nothing done."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import SLOTS, timed
from benchmarks.environments import ROOT, python_of, version_of
from benchmarks.processes import run_watched
from benchmarks.report import Measured
from benchmarks.sample import Series
from benchmarks.turns import Terms, fresh, in_turn, scratch_folder, series

ITEMS = 100_000
MEMORY = (10_000, 100_000, 1_000_000)
TIME_LIMIT = 900.0
MINI_BATCHES = 4 * SLOTS
"""As `fanout.map` cuts items that take no time."""
PEERS = {
    f"Ray {version_of('ray')} Pool.map": ("ray_pool", "ray", ITEMS),
    f"Ray Data {version_of('ray')} map": ("ray_data", "ray", ITEMS),
    f"Dask {version_of('dask')} bag.map": ("dask_bag", "dask", ITEMS),
    f"Dask {version_of('dask')} Client.map": ("dask_client", "dask", 10_000),
    f"Lithops {version_of('lithops')} map": ("lithops_map", "lithops", 100),
}
"""The way, the library, and the most items: those for which each item is a task of its own are spared the rest."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """One run: items, seconds of the whole process, of the call, and to the first result."""

    items: int
    wall: float
    call: float
    first: float


Turn = Callable[[Path], Mapped]


def maps(terms: Terms) -> Iterator[Measured]:
    """Throughput of everybody, the first result of `imap`, and memory over more and more items."""
    terms.fanout.prepare()
    turns, unspared = _turns(terms), terms.scaled(ITEMS, 100)
    with scratch_folder() as scratch:
        found = in_turn(turns, terms.repetitions, f"map, {unspared:,} items", scratch)
        peaks = {
            f"{how}, {count:,} items": _peak(terms, f"fanout_{how}", count, scratch) for how, count in _sizes(terms)
        }
    title = f"map: {unspared:,} items, nothing done"
    spared = "; ".join(f"{name}: {runs[0].items:,} items" for name, runs in found.items() if runs[0].items < unspared)
    note = f"{NOTE} {spared}." if spared else NOTE
    yield Measured(f"{title}, the whole process", "items/s", 0, series(found, lambda run: run.items / run.wall), note)
    called = {name: runs for name, runs in found.items() if name != YAML}
    yield Measured(f"{title}, the call alone", "items/s", 0, series(called, lambda run: run.items / run.call), CALL)
    first = {name: runs for name, runs in found.items() if "imap" in name}
    yield Measured(f"{title}, call to first result", "s", 2, series(first, lambda run: run.first))
    yield Measured("map: most memory of a process that calls it", "MiB", 0, peaks)


YAML = "fanout run, a pipeline file"
NOTE = "The pipeline file has the same items in a file of JSON lines, and mini-batches of the same size."
CALL = "The clusters of Ray, Dask and Lithops are there before the call; of fanout everything is in it."


def _turns(terms: Terms) -> Mapping[str, Turn]:
    own, items = str(Path(terms.fanout.command).with_name("python")), terms.scaled(ITEMS, 100)
    turns = {"fanout.map": _way(own, "fanout_map", items), YAML: _pipeline_file(terms, items)}
    turns |= {
        "fanout.imap": _way(own, "fanout_imap", items),
        "fanout.imap, ordered=False": _way(own, "fanout_unordered", items),
    }
    for name, (way, library, most) in PEERS.items():
        if library in terms.libraries:
            turns[name] = _way(python_of(library), way, min(items, most))
    return turns


def _way(python: str, way: str, items: int) -> Turn:
    def turn(place: Path) -> Mapped:
        (place / "fanout.toml").write_text('store = "./store"\n')
        command = [python, "-m", "benchmarks.peers.maps", way, str(items)]
        span, printed = timed(command, place, {"PYTHONPATH": str(ROOT)})
        said = json.loads(printed.splitlines()[-1])
        return Mapped(items, span.seconds, said["call"], said["first"])

    return turn


def _pipeline_file(terms: Terms, items: int) -> Turn:
    def turn(place: Path) -> Mapped:
        (place / "fanout.toml").write_text('store = "./store"\n')
        (place / "items.jsonl").write_text("".join(f'{{"v":{number}}}\n' for number in range(items)))
        (place / "code").mkdir()
        (place / "code" / "entry.py").write_text(SCRIPT)
        (place / "pipeline.yml").write_text(PIPELINE.format(size=-(-items // MINI_BATCHES), slots=SLOTS))
        span, _ = timed([terms.fanout.command, "run", "pipeline.yml"], place, terms.fanout.environ)
        if (place / "rows.jsonl").read_text() != "".join(f"{number}\n" for number in range(items)):
            raise SystemExit("benchmarks: map: the rows of the pipeline file are wrong")
        return Mapped(items, span.seconds, span.seconds, span.seconds)

    return turn


SCRIPT = """\
def same(number):
    return number


def run(mini_batch):
    return [same(item["v"]) for item in mini_batch]
"""
PIPELINE = """\
type: pipeline
jobs:
  same:
    type: parallel
    inputs:
      data: {{type: uri_file, path: ./items.jsonl}}
    outputs:
      rows: {{type: uri_file, path: ./rows.jsonl}}
    input_data: ${{{{inputs.data}}}}
    mini_batch_size: "{size}"
    max_concurrency_per_instance: {slots}
    task:
      type: run_function
      code: ./code
      entry_script: entry.py
      program_arguments: --amlbi_pf_enabled True --amlbi_file_format jsonl
      append_row_to: ${{{{outputs.rows}}}}
"""


def _sizes(terms: Terms) -> Iterator[tuple[str, int]]:
    for how in ("imap", "unordered"):
        yield from ((how, terms.scaled(count, 100)) for count in MEMORY)


def _peak(terms: Terms, way: str, items: int, scratch: Path) -> Series:
    """Most MiB of the calling process, which also plans and supervises."""
    python = str(Path(terms.fanout.command).with_name("python"))
    with fresh(scratch, "run") as place:
        (place / "fanout.toml").write_text('store = "./store"\n')
        command = ["env", f"PYTHONPATH={ROOT}", python, "-m", "benchmarks.peers.maps", way, str(items)]
        _, peaks = run_watched(command, place, TIME_LIMIT)
    return Series((peaks["run"],))
