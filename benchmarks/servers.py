"""Over LocalStack: fanout beside a worker written by hand with boto3, and Celery on SQS; results end up in S3."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.contenders import Fanout, Peer
from benchmarks.environments import version_of
from benchmarks.localstack import localstack
from benchmarks.report import Measured
from benchmarks.sample import Sample
from benchmarks.turns import Terms, fresh, in_turn, scratch_folder, series
from benchmarks.workload import Workload, input_folder

BUCKET = "s3://benchmarks/runs"
PEERS = (
    Peer(f"boto3 {version_of('boto3')} by hand", "boto3_workers", "boto3"),
    Peer(f"Celery {version_of('celery')} on SQS", "celery_sqs", "celery"),
)


@dataclass(frozen=True, slots=True)
class Served:
    """One run over a server of its own: its times, how often the server was asked, and for what."""

    sample: Sample
    requests: int
    operations: str


def over_localstack(terms: Terms) -> Iterator[Measured]:
    """Two slots or workers each; the input files are local, messages in SQS, rows in S3 and joined at the end."""
    workload = Workload(2_000, size=10).scaled(terms.scale)
    peers = [peer for peer in PEERS if peer.library in terms.libraries]
    for contender in (terms.fanout, *peers):
        contender.prepare()
    with scratch_folder() as scratch:
        folder = input_folder(workload, scratch)
        turns = {"fanout": _turn(replace(terms.fanout, store=BUCKET), workload, folder)}
        turns |= {peer.name: _turn(peer, workload, folder) for peer in peers}
        found = in_turn(turns, min(terms.repetitions, 2), "localstack", scratch)
    title = f"localstack: {workload.mini_batches:,} mini-batches of 10 files"
    yield Measured(
        f"{title}, first call to last",
        "mini-batches/s",
        0,
        series(found, lambda s: workload.mini_batches / (s.sample.last_ended - s.sample.first_started)),
    )
    yield Measured(f"{title}, the whole process", "s", 2, series(found, lambda s: s.sample.wall))
    yield Measured(
        "localstack: requests of the whole run",
        "per mini-batch",
        3,
        series(found, lambda s: s.requests / workload.mini_batches),
        "; ".join(f"{name}: {served[-1].operations}" for name, served in found.items()),
    )


def _turn(contender: Fanout | Peer, workload: Workload, folder: Path) -> Callable[[Path], Served]:
    def turn(place: Path) -> Served:
        with fresh(place, "server") as beside, localstack(beside) as server:
            work = place / "work"
            work.mkdir()
            sample = replace(contender, environ=server.environ).run(workload, folder, work)
            answered = server.requests()
            operations = ", ".join(f"{name} {count}" for name, count in answered.most_common())
            return Served(sample, sum(answered.values()), operations)

    return turn
