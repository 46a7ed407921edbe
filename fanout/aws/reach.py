"""Which objects of S3 a deployed pipeline reaches outside its store: what its functions may read and write. Pure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fanout.config.settings import Settings, resolve_datastore
from fanout.errors import SettingsError
from fanout.pipeline.model import DataInput, DataType, Pipeline
from fanout.pipeline.trigger import ARRIVALS, KEY_TOKEN, RUN_TOKEN
from fanout.pipeline.yaml.diagnostics import shorten

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# In a policy these are wildcards and variables, and in a list of a template they begin another entry.
_MEANS_MORE = re.compile(r"[*?$,\x00-\x1f\x7f]")
_PARTITIONS = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("eusc-", "aws-eusc"),
)
_NOT_FOR_OUTPUTS = ("deployments/", "code/", "triggers/", "reuse/")


def partition_of(region: str | None) -> str:
    """The partition of AWS that a region is in, as ARNs name it."""
    return next((name for start, name in _PARTITIONS if (region or "").startswith(start)), "aws")


@dataclass(frozen=True, slots=True, order=True)
class Objects:
    """Objects of a bucket: `pattern` is a key, or ends with `*`."""

    bucket: str
    pattern: str

    def objects_arn(self, partition: str) -> str:
        return f"arn:{partition}:s3:::{self.bucket}/{self.pattern}"

    def bucket_arn(self, partition: str) -> str:
        return f"arn:{partition}:s3:::{self.bucket}"


@dataclass(frozen=True, slots=True)
class Reach:
    """What lies outside the store: what is read, what is written."""

    inputs: tuple[Objects, ...] = ()
    outputs: tuple[Objects, ...] = ()


def reach_of(pipeline: Pipeline, settings: Settings, reads: Sequence[str] = ()) -> Reach:
    """What the pipeline names, and everything below the URIs `reads`.

    SettingsError for one that is no s3://bucket, for a place that a policy would read as more than one, and for an
    output in a part of the store that belongs to fanout.
    """
    _objects(f"{settings.store.rstrip('/')}/", "*", "the store")
    inputs = [*_inputs(pipeline, settings), *(below(uri, "--reads") for uri in reads)]
    outputs = list(_outputs(pipeline, settings))
    return Reach(_outside(inputs, settings.store), _written(outputs, settings.store))


def below(uri: str, name: str) -> Objects:
    """Everything whose key begins as the URI says."""
    found = _objects(uri, "*", name)
    if found is None:
        raise SettingsError(f"{name}: expected s3://bucket/prefix, found '{uri}'")
    return found


def split(uri: str) -> tuple[str, str]:
    """Bucket and prefix of `s3://bucket/prefix`, without slashes around the prefix."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key.strip("/")


def _inputs(pipeline: Pipeline, settings: Settings) -> Iterator[Objects]:
    for step in pipeline.steps:
        for name, bound in step.inputs.items():
            if isinstance(bound, DataInput) and not bound.uri.startswith(ARRIVALS):
                whole = bound.type is DataType.URI_FILE and not bound.paths
                where = f"step {step.name}: input {name}"
                found = _objects(resolve_datastore(bound.uri, settings), "" if whole else "/*", where)
                if found is not None:
                    yield found
    if pipeline.trigger is not None and (watched := _objects(pipeline.trigger.watched, "*", "trigger")):
        yield watched


def _outputs(pipeline: Pipeline, settings: Settings) -> Iterator[Objects]:
    for step in pipeline.steps:
        for name, output in step.outputs.items():
            whole = output.type is DataType.URI_FILE
            uri = resolve_datastore(output.uri, settings) if output.uri else ""  # in the store, unless it has a place
            if (found := _objects(uri, "" if whole else "/*", f"step {step.name}: output {name}")) is not None:
                yield found


def _objects(uri: str, rest: str, where: str) -> Objects | None:
    if not uri.startswith(("s3://", "s3a://")):
        return None
    bucket, _, key = uri.partition("://")[2].partition("/")
    _check_place(bucket, key, f"{where}: {shorten(uri, 200)}")
    for token in (RUN_TOKEN, KEY_TOKEN):
        if token in key:
            key, rest = key.partition(token)[0], "*"
    if rest == "/*" and not key.rstrip("/"):
        return Objects(bucket, "*")
    return Objects(bucket, (key.rstrip("/") if rest == "/*" else key) + rest) if bucket else None


def _check_place(bucket: str, key: str, where: str) -> None:
    """SettingsError for a bucket or key that would be more than itself in a policy of AWS."""
    if bucket and not _BUCKET.fullmatch(bucket):
        raise SettingsError(f"{where}: '{shorten(bucket)}' is no name of a bucket: a-z, 0-9, '.' and '-'")
    if found := _MEANS_MORE.search(key):
        raise SettingsError(
            f"{where}: {shorten(found[0])!r} stands for more than itself in the permissions of a function; "
            "name a folder without it"
        )


def _written(found: Iterable[Objects], store: str) -> tuple[Objects, ...]:
    """Each once, in order, without those of runs: what functions may write in the store is written in the template.

    SettingsError for an output among what makes up a deployment.
    """
    bucket, prefix = split(store)
    own = f"{prefix}/" if prefix else ""
    kept = set()
    for one in found:
        inside = one.pattern.removeprefix(own) if one.bucket == bucket and one.pattern.startswith(own) else None
        if inside is not None and (inside.startswith(_NOT_FOR_OUTPUTS) or inside == "*"):
            raise SettingsError(f"output s3://{one.bucket}/{one.pattern}: this part of the store is fanout's own")
        if inside is None or not inside.startswith("runs/"):
            kept.add(one)
    return tuple(sorted(kept))


def _outside(found: Iterable[Objects], store: str) -> tuple[Objects, ...]:
    """Each once, in order, without those of the store: its own policy covers them."""
    bucket, prefix = split(store)
    own = f"{prefix}/" if prefix else ""
    return tuple(sorted({one for one in found if not (one.bucket == bucket and one.pattern.startswith(own))}))
