"""`python -m benchmarks [scenario …]`: measures, and prints a table a measure."""

import argparse
import sys
from pathlib import Path

from benchmarks.contenders import PEERS, Fanout
from benchmarks.report import Machine, as_json, show
from benchmarks.scenarios import SCENARIOS, Terms


def main() -> None:
    """Runs the scenarios that were asked for, all by default."""
    arguments = _arguments()
    terms = Terms(
        repetitions=arguments.repetitions,
        scale=arguments.scale,
        peers=tuple(peer for peer in PEERS if peer.library in arguments.peers),
        fanout=Fanout(command=str(Path(arguments.fanout).absolute())),
    )
    terms.fanout.prepare()
    for peer in terms.peers:
        peer.prepare()
    machine = Machine()
    measured = [measure for name in arguments.scenarios for measure in SCENARIOS[name](terms)]
    if arguments.json:
        print(as_json(machine, measured))
    else:
        show(machine, measured)


def _arguments() -> argparse.Namespace:
    libraries = list(dict.fromkeys(peer.library for peer in PEERS))
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="fanout beside its peers")
    parser.add_argument("scenarios", nargs="*", choices=[*SCENARIOS, []], default=list(SCENARIOS), metavar="scenario")
    parser.add_argument("--repetitions", type=int, default=3, help="of everything in turn (default: 3)")
    parser.add_argument("--scale", type=float, default=1.0, help="0.1 for a tenth of the mini-batches")
    parser.add_argument("--peers", nargs="*", choices=libraries, default=libraries, help="libraries to compare with")
    parser.add_argument("--fanout", default=Fanout().command, help="the fanout command to measure")
    parser.add_argument("--json", action="store_true", help="every value, for machines")
    return parser.parse_args(sys.argv[1:])


if __name__ == "__main__":
    main()
