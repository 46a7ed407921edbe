"""`python -m tests.chaos [--mini-batches N] [--seed N] [--world embedded] …`: exit code 0 when all is well."""

import argparse
import asyncio
import math
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.history import contradictions, read_history
from tests.chaos.scene import Scene, make_scene
from tests.chaos.storm import Passed, Storm, TimeIsUpError
from tests.chaos.weather import Blow, Weather
from tests.chaos.world import WORLDS, world


def main() -> int:
    """Exit code 1 when a promise was broken."""
    arguments = _parse()
    weather = Weather(
        arguments.seed,
        slot_every=arguments.slot_every,
        node_every=arguments.node_every,
        pause_every=arguments.pause_every,
        pause_for=2 * arguments.visibility,
        supervisor_kills=arguments.supervisor_kills,
        by_hand=arguments.by_hand,
        lasts=arguments.lasts,
        server_every=arguments.server_every,
    )
    print(f"{arguments.mini_batches} mini-batches, {arguments.world}, seed {arguments.seed}", flush=True)
    with _folder(keep=arguments.keep) as name, world(arguments.world, Path(name)) as place:
        store, environ = place
        scene = make_scene(
            Path(name) / "project",
            mini_batches=arguments.mini_batches,
            nodes=arguments.nodes,
            seconds=arguments.work,
            visibility=arguments.visibility,
            store=store,
            environ=environ,
        )
        try:
            passed = Storm(scene, weather, arguments.limit).pass_over()
        except TimeIsUpError as exc:
            print(exc)
            return 1
        return _judge(scene, passed)


@contextmanager
def _folder(*, keep: bool) -> Iterator[str]:
    """Where everything of this run is: gone afterwards, unless it is kept."""
    name = tempfile.mkdtemp(prefix="fanout-chaos-")
    try:
        yield name
    finally:
        if keep:
            print(f"kept in {name}")
        else:
            shutil.rmtree(name, ignore_errors=True)


def _judge(scene: Scene, passed: Passed) -> int:
    history = asyncio.run(read_history(scene))
    if history is None:
        print(f"the step has no verdict; the last command ended with {passed.code}:\n{scene.said[-3000:]}")
        return 1
    wrong = list(contradictions(history, passed.blows))
    equal = scene.output() == scene.expected()
    if passed.left_behind:
        wrong.append(f"nodes are left: {passed.left_behind}")
    counts = history.seal.counts
    _table(
        {
            **{blow.value: passed.blows[blow] for blow in Blow},
            "mini-batches": scene.mini_batches,
            "attempts begun": sum(history.begun.values()),
            "attempts failed and retried": counts.retried,
            "duplicate results": history.duplicates,
            "seconds": f"{passed.seconds:.1f}",
            "verdict": f"{history.seal.verdict.status} ({history.seal.verdict.reason})",
            "exit code": passed.code,
            "bytes equal": "yes" if equal else "NO",
            "promises broken": len(wrong),
        }
    )
    for sentence in wrong:
        print(f"BROKEN: {sentence}")
    if wrong or not equal or passed.code:
        print(scene.said[-3000:])
        return 1
    return 0


def _table(rows: Mapping[str, object]) -> None:
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:<{width}}  {value}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="A run in bad weather.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--mini-batches", type=int, default=20_000)
    parser.add_argument("--work", type=float, default=0.01, help="seconds that each mini-batch takes")
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--slot-every", type=float, default=1.0, help="seconds between killed slots; 0 for never")
    parser.add_argument("--node-every", type=float, default=10.0, help="seconds between killed nodes; 0 for never")
    parser.add_argument("--pause-every", type=float, default=25.0, help="seconds between paused nodes; 0 for never")
    parser.add_argument("--server-every", type=float, default=0.0, help="seconds between stopped fork servers")
    parser.add_argument("--supervisor-kills", type=int, default=2, help="each followed by `fanout resume`")
    parser.add_argument("--lasts", type=float, default=math.inf, help="seconds after which the weather clears up")
    parser.add_argument("--by-hand", type=int, default=0, help="nodes that join with `fanout node`, each in a session")
    parser.add_argument("--visibility", type=float, default=5.0, help="seconds; a pause is twice as long")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))  # noqa: S311 - to be repeated
    parser.add_argument("--world", choices=WORLDS, default="localstack")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds after which the run counts as hanging")
    parser.add_argument("--keep", action="store_true", help="leave the folder of the run where it is")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
