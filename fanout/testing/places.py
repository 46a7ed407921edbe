"""Where a run under test reads and writes: paths start from the test file, and outputs go to its own folder.

A pipeline file names its outputs for production; a test must not write there.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fanout.pipeline.model import Pipeline

Value = str | int | float | bool | Path | None


def said(value: Value) -> str:
    """A value as `--set` and `--input` read it: text stays text, whatever it looks like."""
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)


def located(inputs: Mapping[str, Value], data: Iterable[str], base: Path) -> dict[str, Value]:
    """The inputs with relative paths made absolute, counted from `base`: every Path, and texts where data is meant."""
    places = set(data)
    return {
        name: (base / value).absolute()
        if isinstance(value, Path) or (name in places and isinstance(value, str) and ":" not in value)
        else value
        for name, value in inputs.items()
    }


def data_inputs(pipeline_file: Path) -> set[str]:
    """Names of the pipeline's inputs that are data, not literals."""
    from fanout.pipeline.model import DataType
    from fanout.pipeline.yaml.diagnostics import Report
    from fanout.pipeline.yaml.parser import read_document
    from fanout.pipeline.yaml.tree import MapNode, ScalarNode

    root = read_document(pipeline_file, str(pipeline_file), Report())
    inputs = root.get("inputs") if isinstance(root, MapNode) else None
    found = set()
    for name, entry in inputs.entries.items() if isinstance(inputs, MapNode) else ():
        if isinstance(entry.value, MapNode):
            kind = entry.value.get("type")
            of_data = isinstance(kind, ScalarNode) and kind.text in list(DataType)
            if of_data or entry.value.get("path") is not None:
                found.add(name)
    return found


def redirected(pipeline: "Pipeline", folder: Path) -> dict[str, Path]:
    """For each output that has a place outside the store: the key that names the place, and one in `folder` instead.

    The name of the file stays, as the format of rows follows its extension.
    """
    places: dict[str, Path] = {}
    for step in pipeline.steps:
        for name, output in step.outputs.items():
            if output.pipeline_output is not None:
                key, shown = f"outputs.{output.pipeline_output}.path", output.pipeline_output
            elif output.uri is not None:
                key, shown = f"jobs.{step.name}.outputs.{name}.path", f"{step.name}.{name}"
            else:
                continue
            last = (output.uri or name).rstrip("/").rpartition("/")[2]
            places[key] = folder / shown / last
    return places
