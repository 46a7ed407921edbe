"""Which objects of S3 a deployed pipeline reaches outside its store: what its functions may read and write. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fanout.errors import SettingsError
from fanout.spec.settings import Settings, resolve_datastore
from fanout.spec.steps import DataInput, DataType, Pipeline
from fanout.spec.trigger import ARRIVALS, KEY_TOKEN, RUN_TOKEN


@dataclass(frozen=True, slots=True, order=True)
class Objects:
    """Objects of a bucket: `pattern` is a key, or ends with `*`."""

    bucket: str
    pattern: str

    @property
    def objects_arn(self) -> str:
        return f"arn:aws:s3:::{self.bucket}/{self.pattern}"

    @property
    def bucket_arn(self) -> str:
        return f"arn:aws:s3:::{self.bucket}"


@dataclass(frozen=True, slots=True)
class Reach:
    """What lies outside the store: what is read, what is written."""

    inputs: tuple[Objects, ...] = ()
    outputs: tuple[Objects, ...] = ()


def reach_of(pipeline: Pipeline, settings: Settings, reads: Sequence[str] = ()) -> Reach:
    """What the pipeline names, and everything below the URIs `reads`; SettingsError for one that is no s3://bucket."""
    inputs = [*_inputs(pipeline, settings), *(below(uri, "--reads") for uri in reads)]
    return Reach(_outside(inputs, settings.store), _outside(_outputs(pipeline, settings), settings.store))


def below(uri: str, name: str) -> Objects:
    """Everything whose key begins as the URI says."""
    found = _objects(uri, "*")
    if found is None:
        raise SettingsError(f"{name}: expected s3://bucket/prefix, found '{uri}'")
    return found


def split(uri: str) -> tuple[str, str]:
    """Bucket and prefix of `s3://bucket/prefix`, without slashes around the prefix."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key.strip("/")


def _inputs(pipeline: Pipeline, settings: Settings) -> Iterator[Objects]:
    for step in pipeline.steps:
        for bound in step.inputs.values():
            if isinstance(bound, DataInput) and not bound.uri.startswith(ARRIVALS):
                whole = bound.type is DataType.URI_FILE
                found = _objects(resolve_datastore(bound.uri, settings), "" if whole else "/*")
                if found is not None:
                    yield found
    if pipeline.trigger is not None and (watched := _objects(pipeline.trigger.watched, "*")):
        yield watched


def _outputs(pipeline: Pipeline, settings: Settings) -> Iterator[Objects]:
    for step in pipeline.steps:
        for output in step.outputs.values():
            whole = output.type is DataType.URI_FILE
            uri = resolve_datastore(output.uri, settings) if output.uri else ""  # in the store, unless it has a place
            if (found := _objects(uri, "" if whole else "/*")) is not None:
                yield found


def _objects(uri: str, rest: str) -> Objects | None:
    if not uri.startswith(("s3://", "s3a://")):
        return None
    bucket, _, key = uri.partition("://")[2].partition("/")
    for token in (RUN_TOKEN, KEY_TOKEN):
        if token in key:
            key, rest = key.partition(token)[0], "*"
    if rest == "/*" and not key.rstrip("/"):
        return Objects(bucket, "*")
    return Objects(bucket, (key.rstrip("/") if rest == "/*" else key) + rest) if bucket else None


def _outside(found: Iterable[Objects], store: str) -> tuple[Objects, ...]:
    """Each once, in order, without those of the store: its own policy covers them."""
    bucket, prefix = split(store)
    own = f"{prefix}/" if prefix else ""
    return tuple(sorted({one for one in found if not (one.bucket == bucket and one.pattern.startswith(own))}))
