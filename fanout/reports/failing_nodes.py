"""On which nodes attempts have failed: those that are fenced, and one that stands out among others."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from fanout.results.fences import Fence, host_of, read_fences
from fanout.storage.keys import StepRound

if TYPE_CHECKING:
    from obstore.store import ObjectStore

LEAST = 3
SHARE = 0.8
"""So much of all failures, and so many, are on one of several nodes when it stands out."""


@dataclass(frozen=True, slots=True)
class FailingNodes:
    """Failed attempts by node, of `nodes` that took part; `hosts` of those that are named."""

    failed: Mapping[int, int] = field(default_factory=dict)
    nodes: int = 0
    fences: tuple[Fence, ...] = ()
    hosts: Mapping[int, str] = field(default_factory=dict)

    @property
    def outstanding(self) -> int | None:
        """The node that nearly all failures were on that count; None when there is none, or no other node."""
        fenced = self._fenced
        counted = {node: count for node, count in self.failed.items() if node not in fenced}
        most = max(counted, key=lambda node: counted[node], default=None)
        if most is None or self.nodes - len(fenced) < 2:
            return None
        return most if counted[most] >= max(LEAST, SHARE * sum(counted.values())) else None

    def lines(self) -> Iterator[str]:
        """Sentences for people; none when no node stands out."""
        for fence in self.fences:
            count = self.failed.get(fence.node, 0)
            first = f"; the first: {' '.join(fence.first.split())}" if fence.first else ""
            attempts = (
                "1 attempt that failed on it counts" if count == 1 else f"{count} attempts that failed on it count"
            )
            yield f"{fence}; {attempts} neither as failures nor as tries{first}"
        if (node := self.outstanding) is not None:
            mine = self.failed[node]
            everything = sum(count for other, count in self.failed.items() if other not in self._fenced)
            share = f"all {mine}" if mine == everything else f"{mine} of {everything}"
            yield f"{share} failed attempts were on node {node} ({self.hosts.get(node, 'unknown host')})"

    def fields(self) -> dict[str, object]:
        """The same for programs."""
        return {
            "fenced": [{**asdict(fence), "failed": self.failed.get(fence.node, 0)} for fence in self.fences],
            "failed_by_node": {str(node): count for node, count in sorted(self.failed.items())},
            "outstanding_node": self.outstanding,
        }

    @property
    def _fenced(self) -> frozenset[int]:
        return frozenset(fence.node for fence in self.fences)


async def failing_nodes(store: "ObjectStore", at: StepRound, failed: Mapping[int, int], nodes: int) -> FailingNodes:
    """The report about nodes on which attempts failed. Reads the store only when something has failed."""
    if not failed:
        return FailingNodes()
    found = FailingNodes(dict(failed), nodes, await read_fences(store, at))
    node = found.outstanding
    hosts = {} if node is None else {node: await host_of(store, at, node)}
    return FailingNodes(found.failed, nodes, found.fences, hosts)
