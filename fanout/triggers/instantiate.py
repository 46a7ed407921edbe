"""From an armed pipeline to the pipeline of one run: its stand-ins replaced by the objects. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from fanout.files import uris
from fanout.pipeline.model import DataInput, DataType, Input, Output, ParallelStep, Pipeline, ReadOptions, Step
from fanout.pipeline.trigger import KEY_TOKEN, RUN_TOKEN, is_waiting
from fanout.pipeline.yaml.diagnostics import Report
from fanout.pipeline.yaml.parser import DocumentSource, parse_document
from fanout.pipeline.yaml.tree import values
from fanout.tables.mltable_file import parse_mltable

Template = Mapping[str, object]
"""An MLTable without its paths."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What one run gets; `table` is the URI of a folder with the list of the objects, `folder` of one with copies."""

    run: str
    objects: tuple[str, ...]  # URIs
    key: str  # of the first object, below the folder that is watched
    table: str = ""
    folder: str = ""


def instantiate(pipeline: Pipeline, arrivals: Arrivals) -> Pipeline:
    """The pipeline with the objects in the place of its stand-ins; InputError for a key that leads out of an output.

    A uri_file is the object itself. What mini-batches are made of, and a table, is the list, so that nothing but these
    objects is in it; any other folder is the folder of copies.
    """
    return replace(pipeline, steps=tuple([_step(step, arrivals) for step in pipeline.steps]))


def takes_list(step: Step, name: str) -> bool:
    """Whether this input, which waits, is given the list of objects."""
    given = step.inputs[name]
    cut = isinstance(step, ParallelStep) and step.input_data == name
    return isinstance(given, DataInput) and (
        given.type is DataType.MLTABLE or (cut and given.type is DataType.URI_FOLDER)
    )


def takes_folder(step: Step, name: str) -> bool:
    """Whether this input, which waits, is given a folder with copies of the objects."""
    given = step.inputs[name]
    return isinstance(given, DataInput) and given.type is not DataType.URI_FILE and not takes_list(step, name)


def table_template(content: bytes, uri: str) -> Template:
    """What an MLTable file says but for its paths; InputError when it is none."""
    parse_mltable(content, uri)
    read = values(parse_document(content, DocumentSource(uris.display(uri), Path("/")), Report()))
    assert isinstance(read, dict)  # noqa: S101 - an MLTable is a mapping
    return {key: value for key, value in read.items() if key != "paths"}


def object_list(objects: Sequence[str], template: Template) -> bytes:
    """An MLTable of exactly these objects, which is read as `template` says."""
    # JSON is YAML, without the surprises of a key that looks like a number.
    return json.dumps({**template, "paths": [{"file": uri} for uri in objects]}, indent=1).encode()


def _step(step: Step, arrivals: Arrivals) -> Step:
    inputs = {name: _input(step, name, arrivals) for name in step.inputs}
    outputs = {name: _output(output, arrivals) for name, output in step.outputs.items()}
    return replace(step, inputs=inputs, outputs=outputs)


def _input(step: Step, name: str, arrivals: Arrivals) -> Input:
    given = step.inputs[name]
    if not isinstance(given, DataInput) or not is_waiting(step, name):
        return given
    if takes_list(step, name):
        rows = isinstance(step, ParallelStep) and step.reads_rows
        read = given.read or (ReadOptions() if rows else None)
        return replace(given, uri=arrivals.table, type=DataType.MLTABLE, read=read)
    return replace(given, uri=arrivals.folder if takes_folder(step, name) else arrivals.objects[0])


def _output(output: Output, arrivals: Arrivals) -> Output:
    if output.uri is None:
        return output
    uri = output.uri.replace(RUN_TOKEN, arrivals.run)
    if KEY_TOKEN in uri:
        key = uris.confined(arrivals.key)
        uri = uri.replace(KEY_TOKEN, quote(key) if uris.is_local(uri) else key)
    return replace(output, uri=uri)
