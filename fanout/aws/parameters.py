"""The parameters of infra/template.yml for one pipeline. Pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fanout.aws.reach import Objects, Reach, partition_of, split
from fanout.aws.render import template_defaults
from fanout.config.settings import Settings
from fanout.errors import SettingsError
from fanout.pipeline.model import EventBatch, Pipeline
from fanout.pipeline.yaml.diagnostics import suggest

PREFIX = "fanout-"
LONGEST_WINDOW = 300
"""Seconds for which an event source of Lambda gathers messages, at the most."""
LARGEST_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Size:
    """How much a deployment may take; None: as it is, or the template's default."""

    image: str | None = None
    workers: int | None = None
    seconds: int | None = None
    memory: int | None = None
    alarms: str | None = None  # ARN of an SNS topic
    others: Mapping[str, str] = field(default_factory=dict)  # further parameters of the template


def stack_name(deployment: str) -> str:
    """The name of the deployment's stack."""
    return f"{PREFIX}{deployment}"


def parameters(
    name: str, pipeline: Pipeline, settings: Settings, reach: Reach, size: Size, before: Mapping[str, str]
) -> dict[str, str]:
    """A value for each parameter: what pipeline and options say, else as the stack has it (`before`), else the default.

    SettingsError for a parameter that the template does not have, and without an image: nothing could run.
    """
    defaults = template_defaults()
    for key in size.others:
        if key not in defaults:
            raise SettingsError(f"--parameter: the template has no '{key}' to choose{suggest(key, defaults)}")
    asked = {
        "ImageUri": size.image,
        "MaximumWorkers": size.workers,
        "WorkerSeconds": size.seconds,
        "WorkerMemory": size.memory,
        "AlarmTopic": size.alarms,
        **size.others,
    }
    chosen = {key: str(value) for key, value in asked.items() if value is not None}
    kept = {key: before[key] for key in (*defaults, "ImageUri") if key in before}
    if not (chosen.get("ImageUri") or kept.get("ImageUri")):
        raise SettingsError("--image: name the image made from infra/Dockerfile; the functions run in it")
    bucket, prefix = split(settings.store)
    trigger = pipeline.trigger
    return {
        **defaults,
        **kept,
        **chosen,
        "Deployment": name,
        "StoreBucket": bucket,
        "StorePrefix": prefix,
        "MaxReceives": str(settings.max_receives),
        **_places("Input", reach.inputs, partition_of(settings.region)),
        **_places("Output", reach.outputs, partition_of(settings.region)),
        "TriggerName": trigger.name if trigger else "",
        "TriggerBucket": split(trigger.root)[0] if trigger else "",
        **_gathered(trigger.batch if trigger else None),
    }


def _gathered(batch: EventBatch | None) -> dict[str, str]:
    """How many events the planner gets at once, and how long it waits for them."""
    if batch is None:
        return {"EventBatch": "1", "EventSeconds": "0"}
    seconds = min(LONGEST_WINDOW, max(1, math.ceil(batch.seconds)))
    return {"EventBatch": str(min(LARGEST_BATCH, batch.objects)), "EventSeconds": str(seconds)}


def _places(what: str, found: Iterable[Objects], partition: str) -> dict[str, str]:
    places = list(found)
    return {
        f"{what}Buckets": ",".join(sorted({one.bucket_arn(partition) for one in places})),
        f"{what}Prefixes": ",".join(sorted({one.pattern for one in places})),
        f"{what}Objects": ",".join(one.objects_arn(partition) for one in places),
    }
