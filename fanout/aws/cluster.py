"""What pods need to reach the run or the deployment they work for; credentials are those of their service account."""

import ipaddress
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fanout.advice import advised
from fanout.aws.deployment import unreachable
from fanout.aws.kubernetes import STORAGE, Cluster, WorkQueue
from fanout.aws.parameters import Size, stack_name
from fanout.clock import SystemClock
from fanout.config.settings import Settings
from fanout.errors import InputError, QueueGoneError, RunError, SettingsError
from fanout.pipeline.model import ParallelStep, Pipeline
from fanout.pipeline.yaml.diagnostics import suggest
from fanout.queues.sqs import SqsQueueService
from fanout.records.run import load_record
from fanout.storage import keys
from fanout.storage.access import Access
from fanout.storage.objects import read

if TYPE_CHECKING:
    from obstore.store import ObjectStore

WORKERS = 10
MEMORY = 2048  # MB
QUEUES = {
    "FANOUT_WORK_QUEUE_URL": "work",
    "FANOUT_DEAD_QUEUE_URL": "dead",
    "FANOUT_TICK_QUEUE_URL": "tick",
    "FANOUT_REDUCE_QUEUE_URL": "reduce",
}


def cluster_of(settings: Settings, access: Access, size: Size, more: Mapping[str, str]) -> Cluster:
    """Image, variables and bounds of the pods; SettingsError when their image or the region is not known.

    Never keys: what `access` holds of those stays here.
    """
    if not size.image:
        raise SettingsError("--image: name the image made from infra/Dockerfile; the pods run it")
    if not settings.store.startswith("s3://"):
        raise SettingsError(f"--store: pods reach s3://bucket/prefix, not {settings.store}")
    known = {
        "FANOUT_STORE": settings.store,
        "AWS_REGION": region_of(settings),
        "AWS_ENDPOINT_URL_S3": access.endpoint_url_s3,
        "AWS_ENDPOINT_URL_SQS": access.endpoint_url_sqs,
        **more,
    }
    environ = {name: value for name, value in known.items() if value}
    endpoints = tuple(filter(None, (access.endpoint_url_s3, access.endpoint_url_sqs)))
    return Cluster(size.image, environ, size.workers or WORKERS, size.memory or MEMORY, _storage(size), endpoints)


def _storage(size: Size) -> int:
    text = size.others.get("WorkerStorage", str(STORAGE))
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**31:
        raise SettingsError(f"--parameter WorkerStorage: expected a number of MB, found '{text}'")
    return int(text)


def check_endpoints(access: Access) -> None:
    """SettingsError for a server that only this machine reaches."""
    for name, url in (("S3", access.endpoint_url_s3), ("SQS", access.endpoint_url_sqs)):
        if url and _is_loopback(urlsplit(url).hostname or ""):
            raise SettingsError(
                f"endpoint of {name}: {url} is an address of this machine alone, and pods would look for it in "
                "themselves; give one that the cluster reaches, "
                f"in fanout.toml (endpoint_url) or AWS_ENDPOINT_URL_{name}"
            )


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


async def lent_to(run: str, step: str | None, store: "ObjectStore", settings: Settings) -> Pipeline:
    """The pipeline of a run that nodes can be lent to.

    RunError when there is no such run or step, or the run is over; InputError when its data is on this machine.
    """
    record = await load_record(store, run)
    if await read(store, keys.run_verdict(run, record.round)) is not None:
        raise RunError(
            f"run {run} is over, and has no work for nodes; `{advised().redrive(run)}` does again what failed in it"
        )
    steps = {one.name: one for one in record.pipeline.steps if isinstance(one, ParallelStep)}
    if step is not None and step not in steps:
        raise RunError(f"run {run} has no parallel step '{step}'{suggest(step, steps)}")
    chosen = tuple([one for one in steps.values() if step in (None, one.name)])
    unseen = list(unreachable(replace(record.pipeline, steps=chosen), record.settings(settings)))
    if unseen:
        raise InputError(f"run {run}: pods do not see this machine: " + "; ".join(unseen))
    return record.pipeline


def region_of(settings: Settings) -> str:
    """The region that pods work in; SettingsError when no setting names it."""
    if not settings.region:
        raise SettingsError("region: say it in fanout.toml or in AWS_REGION; pods do not know it from elsewhere")
    return settings.region


async def work_queue(name: str, settings: Settings, access: Access) -> tuple[WorkQueue, dict[str, str]]:
    """The work queue of a deployment, and the variables its workers need; RunError when there is no deployment."""
    service = SqsQueueService(access, SystemClock())
    try:
        urls = {key: await service.url(f"{stack_name(name)}-{queue}") for key, queue in QUEUES.items()}
    except QueueGoneError as exc:
        raise RunError(
            f"there is no deployment named {name} here, whose queue workers could work on: "
            f"`{advised().deploy('PIPELINE')}` makes one; "
            "`--run RUN` gives nodes for a run instead"
        ) from exc
    finally:
        await service.close()
    queue = WorkQueue(urls["FANOUT_WORK_QUEUE_URL"], region_of(settings), access.endpoint_url_sqs)
    return queue, {"FANOUT_DEPLOYMENT": name, **urls}
