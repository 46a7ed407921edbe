"""What pods need to reach the run or the deployment they work for; credentials are those of their service account."""

from collections.abc import Mapping

from fanout.clock import SystemClock
from fanout.deploy.kubernetes import Cluster, WorkQueue
from fanout.deploy.parameters import Size, stack_name
from fanout.errors import QueueGoneError, RunError, SettingsError
from fanout.queue.sqs import SqsQueueService
from fanout.spec.settings import Settings
from fanout.store.access import Access

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
    return Cluster(size.image, environ, size.workers or WORKERS, size.memory or MEMORY)


def region_of(settings: Settings) -> str:
    """The region that pods work in; SettingsError when nobody has said it."""
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
            f"there is no deployment named {name} here, whose queue workers could work on: `fanout deploy` makes one; "
            "`--run RUN` gives nodes for a run instead"
        ) from exc
    finally:
        await service.close()
    queue = WorkQueue(urls["FANOUT_WORK_QUEUE_URL"], region_of(settings), access.endpoint_url_sqs)
    return queue, {"FANOUT_DEPLOYMENT": name, **urls}
