"""Manifests for a cluster: workers of a deployment that KEDA scales on the work queue, or nodes for one run. Pure.

The texts are in infra/kubernetes, with a place for each value. Values are put in as JSON, which YAML reads as it is.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template
from urllib.parse import urlsplit

from fanout.aws.infra_files import infra_file
from fanout.pipeline.model import ParallelStep, Pipeline

SPARE = 60
"""Seconds of grace besides what a batch or a mini-batch may take: to commit results, and to leave."""
LEAST_SECONDS = 60
STORAGE = 10_240
"""MB in /tmp of a pod: code, and the data of the mini-batches at hand."""
LOGS = 1024
"""MB that a pod may write besides, as logs."""
LEAST_PROCESSORS = 2
HTTPS = 443
_LONGEST_NAME = 52  # of a Job, whose pods' names are longer


@dataclass(frozen=True, slots=True)
class Cluster:
    """What all manifests need to know."""

    image: str
    environ: Mapping[str, str]
    workers: int
    memory: int  # MB
    storage: int = STORAGE  # MB in /tmp
    endpoints: Sequence[str] = ()  # of servers other than AWS


@dataclass(frozen=True, slots=True)
class WorkQueue:
    """The queue that workers are scaled on."""

    url: str
    region: str
    endpoint: str | None = None


def worker_manifests(name: str, pipeline: Pipeline, queue: WorkQueue, cluster: Cluster) -> str:
    """A service account, a Deployment of workers, and the ScaledObject that says how many."""
    # Mini-batches start within the first half of a batch's time, so the other half is enough for the longest.
    seconds = max(LEAST_SECONDS, 2 * longest(pipeline) + LEAST_SECONDS // 2)
    metadata = {
        "queueURL": queue.url,
        "queueLength": "10",  # what a worker takes at once
        "activationQueueLength": "0",
        "awsRegion": queue.region,
        "scaleOnInFlight": "true",
        **({"awsEndpoint": queue.endpoint} if queue.endpoint else {}),
    }
    return _filled(
        "workers.yml",
        name=name,
        app=label(f"fanout-{name}".lower()),
        grace=seconds + SPARE,
        image=cluster.image,
        env=_env({**cluster.environ, "FANOUT_WORKER_SECONDS": str(seconds)}),
        workers=cluster.workers,
        queue=metadata,
        **_bounds(pipeline, cluster),
    )


def node_manifests(run: str, step: str | None, pipeline: Pipeline, cluster: Cluster, account: str) -> str:
    """A Job whose pods are nodes of a run, until its step is over."""
    which = [run, *(["--step", step] if step else [])]
    return _filled(
        "nodes.yml",
        app=label(f"fanout-{'-'.join([run, *([step] if step else [])])}"),
        run=label(run),
        account=account,
        grace=longest(pipeline, step) + SPARE,
        image=cluster.image,
        command=["fanout", "node", *which],
        env=_env(cluster.environ),
        workers=cluster.workers,
        **_bounds(pipeline, cluster, step),
    )


def longest(pipeline: Pipeline, step: str | None = None) -> int:
    """Seconds that the longest mini-batch may take."""
    steps = [one for one in pipeline.steps if isinstance(one, ParallelStep) and step in (None, one.name)]
    return max((int(-(-one.retry_settings.timeout // 1)) for one in steps), default=0)


def _bounds(pipeline: Pipeline, cluster: Cluster, step: str | None = None) -> dict[str, object]:
    """What a pod may take of its machine, and which ports it may reach."""
    steps = [one for one in pipeline.steps if isinstance(one, ParallelStep) and step in (None, one.name)]
    processors = max([LEAST_PROCESSORS, *(one.max_concurrency_per_instance or 0 for one in steps)])
    ports = {HTTPS, *(_port(url) for url in cluster.endpoints)}
    return {
        "cpu": str(processors),
        "memory": f"{cluster.memory}Mi",
        "scratch": f"{cluster.storage}Mi",
        "disk": f"{cluster.storage + LOGS}Mi",
        "ports": [{"protocol": "TCP", "port": port} for port in sorted(ports)],
    }


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (80 if parts.scheme == "http" else HTTPS)


def label(name: str) -> str:
    """`name` as Kubernetes takes names: lower case, '-', not too long; two that differ stay apart."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if plain == name and len(plain) <= _LONGEST_NAME:
        return plain
    digits = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{plain[: _LONGEST_NAME - 9].strip('-')}-{digits}"


def _env(environ: Mapping[str, str]) -> Sequence[Mapping[str, str]]:
    return [{"name": name, "value": value} for name, value in environ.items()]


def _filled(file: str, **values: object) -> str:
    text = Template(infra_file(f"kubernetes/{file}"))
    return text.substitute({name: json.dumps(value, ensure_ascii=False) for name, value in values.items()})
