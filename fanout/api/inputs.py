"""Python values for inputs and keys of a pipeline file: what `--input` and `--set` read, from values."""

import json
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path

from fanout.errors import InputError


def said(value: object) -> str:
    """A value as `--set` and `--input` read it: text stays text, whatever it looks like.

    Values are text, numbers, booleans, paths, None, and lists and mappings of them. InputError for any other.
    """
    try:
        return json.dumps(str(value) if isinstance(value, PathLike) else value, ensure_ascii=False)
    except TypeError:
        kind = type(value).__name__
        raise InputError(
            f"inputs and keys take text, numbers, booleans and paths, not a value of type {kind}"
        ) from None


def located(inputs: Mapping[str, object], data: Iterable[str], base: Path) -> dict[str, object]:
    """The inputs with relative paths made absolute, counted from `base`: every path, and texts where data is meant."""
    places = set(data)
    return {
        name: (base / value).absolute()
        if isinstance(value, PathLike) or (name in places and isinstance(value, str) and ":" not in value)
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


def given(file: Path, inputs: Mapping[str, object], base: Path) -> tuple[str, ...]:
    """Each input as `--input` takes it; relative paths are counted from `base`."""
    places = located(inputs, data_inputs(file) if inputs else (), base)
    return tuple(f"{name}={said(value)}" for name, value in places.items())


def replaced(overrides: Mapping[str, object]) -> tuple[str, ...]:
    """Each override as `--set` takes it."""
    return tuple(f"{key}={said(value)}" for key, value in overrides.items())
