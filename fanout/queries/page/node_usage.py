"""What nodes used of their machines over time, from logs/sys/perf."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fanout.queries.page.log_files import list_logs
from fanout.storage.objects import read

if TYPE_CHECKING:
    from obstore.store import ObjectStore

FILE = "node_resource_usage.csv"
MOST_NODES = 64
MOST_POINTS = 300


@dataclass(frozen=True, slots=True)
class NodeUsage:
    """Curves of one node: seconds since the epoch, and percent of its processors and memory."""

    node: int
    times: tuple[float, ...]
    cpu: tuple[float, ...]
    memory: tuple[float, ...]


async def read_usage(store: "ObjectStore", prefix: str) -> tuple[NodeUsage, ...]:
    """The curves of the nodes of a step, whose logs are below `prefix`; what cannot be read is left out."""
    found = list[NodeUsage]()
    for listed in await list_logs(store, f"{prefix}sys/perf/"):
        node, _, name = listed.name.partition("/")
        if name == FILE and node.isdecimal() and len(found) < MOST_NODES:
            body = await read(store, f"{prefix}sys/perf/{listed.name}")
            found.append(usage_of(int(node), (body or b"").decode(errors="replace")))
    return tuple(sorted(found, key=lambda one: one.node))


def usage_of(node: int, text: str) -> NodeUsage:
    """The curves in a node_resource_usage.csv, thinned out to a few hundred points."""
    points = list(_points(text))
    thin = points[:: max(1, -(-len(points) // MOST_POINTS))]
    return NodeUsage(node, tuple(p[0] for p in thin), tuple(p[1] for p in thin), tuple(p[2] for p in thin))


def _points(text: str) -> Iterator[tuple[float, float, float]]:
    for row in csv.DictReader(io.StringIO(text)):
        try:
            at = datetime.fromisoformat(row["Utc Time"]).replace(tzinfo=UTC).timestamp()
            yield at, float(row["Cpu Percent"]), float(row["Memory Used Percent"])
        except (ValueError, KeyError, TypeError):
            continue  # a line that is being written
