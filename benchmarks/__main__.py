"""`python -m benchmarks [scenario …]`: measures, and prints a table a measure."""

import argparse
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.catalogue import SCENARIOS
from benchmarks.contenders import PEERS, Fanout
from benchmarks.environments import ROOT, python_of
from benchmarks.report import Machine, Measured, as_json, as_markdown, show
from benchmarks.servers import PEERS as SERVED
from benchmarks.turns import Terms


def main() -> None:
    """Runs the scenarios that were asked for, all by default."""
    arguments = _arguments()
    terms = Terms(
        repetitions=arguments.repetitions,
        scale=arguments.scale,
        peers=tuple(peer for peer in PEERS if peer.library in arguments.peers),
        libraries=tuple(arguments.peers),
        fanout=Fanout(command=str(Path(arguments.fanout).absolute())),
    )
    machine = Machine()
    measured: list[Measured] = []
    for name in arguments.scenarios:
        measured += SCENARIOS[name](terms)
        if arguments.into:  # as far as it has come: nothing is lost when a later scenario fails
            write(arguments.into, machine, measured)
    if arguments.json:
        print(as_json(machine, measured))
    else:
        show(machine, measured)


def write(folder: Path, machine: Machine, measured: Sequence[Measured]) -> None:
    """results.json, results.md and results.svg in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    source, drawing = folder / "results.json", folder / "results.svg"
    source.write_text(as_json(machine, measured) + "\n")
    (folder / "results.md").write_text(as_markdown(machine, measured))
    plot = [python_of("matplotlib"), "-m", "benchmarks.plot", str(source.absolute()), str(drawing.absolute())]
    subprocess.run(plot, cwd=ROOT, check=True)


def _arguments() -> argparse.Namespace:
    libraries = list(dict.fromkeys(peer.library for peer in (*PEERS, *SERVED)))
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="fanout beside its peers")
    parser.add_argument("scenarios", nargs="*", type=_scenario, default=list(SCENARIOS), help=", ".join(SCENARIOS))
    parser.add_argument("--repetitions", type=_count, default=3, help="of everything in turn (default: 3)")
    parser.add_argument("--scale", type=_factor, default=1.0, help="0.1 for a tenth of the mini-batches")
    parser.add_argument("--peers", nargs="*", choices=libraries, default=libraries, help="libraries to compare with")
    parser.add_argument("--fanout", default=Fanout().command, help="the fanout command to measure")
    parser.add_argument("--into", type=Path, help="a folder for results.json, results.md and results.svg")
    parser.add_argument("--json", action="store_true", help="every value, for machines")
    return parser.parse_args(sys.argv[1:])


def _scenario(text: str) -> str:
    if text not in SCENARIOS:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(SCENARIOS)}, found {text!r}")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return int(text)


def _factor(text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text!r}")
    return factor


if __name__ == "__main__":
    main()
