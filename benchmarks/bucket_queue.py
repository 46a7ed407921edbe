"""Over MinIO alone: the queue in the store beside the embedded one, with two nodes of one slot each.

`python -m benchmarks bucket [--scale 0.1]`; the store is the same for both, so that the queue makes the difference.
"""

import re
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.contenders import Fanout
from benchmarks.report import Measured
from benchmarks.sample import Sample
from benchmarks.turns import Terms, fresh, in_turn, scratch_folder, series
from benchmarks.workload import Workload, input_folder
from tests import servers

NODES = 2
QUEUES = {"bucket:": "bucket:", "SQLite": "sqlite:./queues"}
_ANSWERED = re.compile(r'^minio_s3_requests_total\{api="(\w+)".*\} (\d+)', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Served:
    """One run over a server of its own: its times, and how often the server was asked for what."""

    sample: Sample
    requests: Counter[str]

    @property
    def operations(self) -> str:
        return ", ".join(f"{name} {count}" for name, count in self.requests.most_common())


def over_minio(terms: Terms) -> Iterator[Measured]:
    """20,000 mini-batches of 10 ms: how busy the slots are, and requests of the whole run."""
    workload = Workload(20_000, milliseconds=10, sleeps=True).scaled(terms.scale)
    terms.fanout.prepare()
    with scratch_folder() as scratch:
        folder = input_folder(workload, scratch)
        contenders = {name: replace(terms.fanout, queue=uri, nodes=NODES, slots=1) for name, uri in QUEUES.items()}
        turns = {name: _turn(contender, workload, folder) for name, contender in contenders.items()}
        found = in_turn(turns, min(terms.repetitions, 2), "bucket", scratch)
    title = f"MinIO, {NODES} nodes: {workload.mini_batches:,} mini-batches of 10 ms"
    yield Measured(
        f"{title}, slots busy from first call to last",
        "%",
        1,
        series(found, lambda s: 100 * workload.ideal_seconds(NODES) / (s.sample.last_ended - s.sample.first_started)),
    )
    yield Measured(f"{title}, the whole process", "s", 2, series(found, lambda s: s.sample.wall))
    yield Measured(
        "MinIO: requests of the whole run",
        "per mini-batch",
        3,
        series(found, lambda s: s.requests.total() / workload.mini_batches),
        "; ".join(f"{name}: {served[-1].operations}" for name, served in found.items()),
    )


def _turn(contender: Fanout, workload: Workload, folder: Path) -> Callable[[Path], Served]:
    def turn(place: Path) -> Served:
        with fresh(place, "server") as beside, servers.minio(beside) as url:
            work = place / "work"
            work.mkdir()
            environ = servers.aws_environ(url)
            sample = replace(contender, store="s3://benchmarks/runs", environ=environ).run(workload, folder, work)
            return Served(sample, _requests(url))

    return turn


def _requests(url: str) -> Counter[str]:
    """How often each operation has been answered so far, by the server's own count."""
    with urllib.request.urlopen(f"{url}/minio/v2/metrics/cluster", timeout=30) as answer:  # noqa: S310 - loopback
        return Counter({name: int(count) for name, count in _ANSWERED.findall(answer.read().decode())})
