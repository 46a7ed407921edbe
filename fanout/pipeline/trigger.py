"""The `trigger` section of a pipeline file (ours): which objects start runs by arriving, and which input gets them.

A pipeline that waits for objects is *armed*: the input that gets them holds a stand-in (`ARRIVALS`), which the start of
a run replaces. So one pipeline file serves `fanout run`, where the input has a value, and `fanout watch`.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fanout.pipeline.data.locations import data_uri
from fanout.pipeline.model import DataInput, DataType, EventBatch, Pipeline, Step, Trigger
from fanout.pipeline.yaml.checks import expected, found, number, text, whole
from fanout.pipeline.yaml.diagnostics import Check, CheckFailed, join, shorten, suggest
from fanout.pipeline.yaml.fields import Fields
from fanout.pipeline.yaml.tree import MapEntry, MapNode, Node, ScalarNode, child_key

ARRIVALS = "s3://_trigger_/arrivals"
"""Stands for the objects that a run will be started for; no bucket can have that name."""
RUN_TOKEN = "__fanout_run__"  # noqa: S105 - stands in a path, also for the run in ${{name}}
KEY_TOKEN = "__fanout_trigger_key__"  # noqa: S105
PATH_MACROS = {"trigger.run": RUN_TOKEN, "trigger.key": KEY_TOKEN}
"""What may stand in the path of an output, filled in when a run is started."""
MOST_OBJECTS = 10_000
LONGEST_WAIT = 3600.0
"""Seconds for which the first object of a batch may wait for others: queues hold a message for so long."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
_DATA = (DataType.URI_FILE, DataType.URI_FOLDER, DataType.MLTABLE)


def armed_root(root: MapNode) -> MapNode:
    """The document with the stand-in as the path of the input that gets the objects; as it is when there is none."""
    section, inputs = root.get("trigger"), root.get("inputs")
    name = section.get("input") if isinstance(section, MapNode) else None
    if not isinstance(name, ScalarNode) or not isinstance(inputs, MapNode):
        return root
    given = inputs.get(name.text)
    if not isinstance(given, MapNode):
        return root
    origin = given.entries["path"].value.origin if "path" in given.entries else given.origin
    path = MapEntry(
        origin.place, ScalarNode(replace(origin, key=child_key(given.origin.key, "path")), ARRIVALS, ARRIVALS)
    )
    waiting = replace(given, entries={**given.entries, "path": path})
    entry = inputs.entries[name.text]
    changed = replace(inputs, entries={**inputs.entries, name.text: replace(entry, value=waiting)})
    return replace(root, entries={**root.entries, "inputs": replace(root.entries["inputs"], value=changed)})


def read_trigger(top: Fields, written: MapNode, file: Path, name: str | None) -> Trigger | None:
    """The section `trigger`; None when there is none. `written` is the document before it was armed."""
    if top.get("trigger") is None:
        return None
    fields = top.fields("trigger")
    inputs = written.get("inputs")
    declared = inputs.entries if isinstance(inputs, MapNode) else {}
    chosen = fields.require("input", _input_name(declared), "", "the name of the input that gets the objects")
    trigger = Trigger(
        name=fields.take("name", _name, name or _name_of(file)),
        root=_root(fields),
        input=chosen,
        prefix=fields.take("prefix", _prefix, ""),
        suffix=fields.take("suffix", text, ""),
        batch=None if fields.get("batch") is None else _batch(fields.fields("batch")),
        queue=fields.take("queue", text, None),
        template=top.report.attempt(declared[chosen].value, _template, None) if chosen else None,
    )
    fields.ignore("description")
    fields.close()
    return trigger


def check_armed(pipeline: Pipeline, top: Fields) -> None:
    """Notes what keeps an armed pipeline from being started for arrivals."""
    trigger, node = pipeline.trigger, top.fields("trigger").get("input")
    if trigger is None or node is None or not trigger.input:
        return
    takers = [(step, name) for step in pipeline.steps for name in step.inputs if is_waiting(step, name)]
    if not takers:
        top.report.problem(node.origin, f"no step takes the input '{trigger.input}', so nothing would get the objects")
    if trigger.batch is None:
        return
    for step, name in takers:
        if is_file(step, name):
            top.report.problem(
                node.origin,
                f"input '{name}' of step '{step.name}' is a uri_file, which is one object, and batch brings several; "
                "make it a uri_folder, or leave batch out",
            )
    for step in pipeline.steps:
        for name, output in step.outputs.items():
            if output.uri is not None and KEY_TOKEN in output.uri:
                top.report.problem(
                    node.origin,
                    f"output '{name}' of step '{step.name}' has ${{{{trigger.key}}}} in its path, which is one "
                    "object's, and batch brings several; use ${{trigger.run}}",
                )


def is_waiting(step: Step, name: str) -> bool:
    """Whether this input of an armed pipeline's step gets the objects."""
    given = step.inputs[name]
    return isinstance(given, DataInput) and given.uri == ARRIVALS


def is_file(step: Step, name: str) -> bool:
    """Whether this input takes one object alone."""
    given = step.inputs[name]
    return isinstance(given, DataInput) and given.type is DataType.URI_FILE


def _input_name(declared: Mapping[str, MapEntry]) -> Check[str]:
    def check(node: Node) -> str:
        name = text(node)
        if name not in declared:
            raise CheckFailed(f"the pipeline has no input '{shorten(name)}'{suggest(name, declared)}")
        there = declared[name].value
        kind = there.get("type") if isinstance(there, MapNode) else None
        if not isinstance(there, MapNode) or (kind is not None and found(kind).strip("'") not in _DATA):
            raise CheckFailed(f"the input '{name}' does not take objects; give it a mapping with type: {join(_DATA)}")
        return name

    return check


def _template(node: Node) -> str | None:
    """A check: where the MLTable is that says how the objects are read; None when the input is no table."""
    if not isinstance(node, MapNode) or (kind := node.get("type")) is None or found(kind) != f"'{DataType.MLTABLE}'":
        return None
    path = node.get("path")
    return None if path is None else data_uri(path)


def _root(fields: Fields) -> str:
    """The bucket or folder that is watched, as a URI; exactly one of both is named."""
    bucket, folder = fields.get("bucket"), fields.get("folder")
    if (bucket is None) == (folder is None):
        how = "missing; expected 'bucket', or 'folder'" if bucket is None else "expected 'bucket' or 'folder', not both"
        fields.report.problem_at(fields.origin.place, child_key(fields.origin.key, "bucket"), how)
    name = fields.take("bucket", _bucket, "")
    return f"s3://{name}" if name else fields.take("folder", _folder, "")


def _bucket(node: Node) -> str:
    if isinstance(node, ScalarNode) and _BUCKET.fullmatch(node.text):
        return node.text
    raise expected("the name of a bucket, without s3:// and without a prefix", node)


def _folder(node: Node) -> str:
    uri = data_uri(node)
    if not uri.startswith("file:"):
        raise CheckFailed("expected a folder of this machine; a bucket on S3 is named with 'bucket' and 'prefix'")
    return uri.rstrip("/")


def _prefix(node: Node) -> str:
    prefix = text(node)
    if prefix.startswith("/"):
        raise CheckFailed(f"keys do not begin with a slash; expected '{shorten(prefix.lstrip('/'))}'")
    return prefix


def _batch(fields: Fields) -> EventBatch:
    usual = EventBatch()
    batch = EventBatch(
        objects=fields.take("objects", whole(1, MOST_OBJECTS), usual.objects),
        seconds=fields.take("seconds", number(0, LONGEST_WAIT), usual.seconds),
    )
    fields.close()
    return batch


def _name(node: Node) -> str:
    if isinstance(node, ScalarNode) and _NAME.fullmatch(node.text):
        return node.text
    raise expected("a name of up to 60 letters, digits, '-' and '_'", node)


def _name_of(file: Path) -> str:
    """A name for the trigger of a file that gives none: that of its folder, and its own unless it is the usual one."""
    words = [file.parent.name, *([] if file.stem == "pipeline" else [file.stem])]
    return re.sub(r"[^A-Za-z0-9]+", "-", "-".join(words)).strip("-")[:60] or "trigger"
