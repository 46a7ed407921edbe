"""Writes the JSON schema of pipeline files from the tables of docs/reference/pipeline-keys.md: `make schema`.

The page is the source of keys, types, defaults and meanings; tests hold it against the readers. A type that is not
known here ends the program: say in `_value` what it is in JSON.
"""

import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "pipeline-keys.md"
TARGET = ROOT / "fanout" / "pipeline" / "pipeline.schema.json"
Schema = dict[str, Any]

_NO_DEFINITION = {"Program arguments", "Keys without effect"}
_CLOSED = {"Settings", "Retry settings", "Limits", "Read", "Trigger"}  # where keys without effect have no place
_NOT_REQUIRED = {("A parallel step", "input_data")}  # mini-batches without data need none
_OLD_WORDS = {("Task", "type"): ["function"], ("Inputs", "type"): ["path"], ("Outputs", "type"): ["path"]}
_MODELS = ["custom_model", "mlflow_model", "triton_model"]
_BINDING: Schema = {"type": "string", "pattern": r"\$\{\{"}
_TEXT: Schema = {"type": ["string", "number", "boolean"]}
_NUMBER = r"^\s*[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?\s*$"
_MAP_OF_TEXT: Schema = {"type": ["object", "null"], "additionalProperties": {"type": [*_TEXT["type"], "null"]}}
_ENTRIES: dict[str, Callable[[], Schema]] = {  # maps of names to what a section is about
    "Inputs": lambda: _map_of({"anyOf": [{"type": ["string", "number", "boolean", "null"]}, _reference("Inputs")]}),
    "Outputs": lambda: _map_of({"anyOf": [{"type": ["string", "null"]}, _reference("Outputs")]}),
}
_TYPES: dict[str, Schema] = {  # how the page writes types
    "text": _TEXT,
    "value": {"type": ["string", "number", "boolean", "null"]},
    "list": {"type": "array"},
    "map": {"type": ["object", "null"]},
    "map of text": _MAP_OF_TEXT,
    "text or map": {"anyOf": [_TEXT, {"type": "object"}]},
    "true or false": {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": r"^\s*([Tt]rue|[Ff]alse)\s*$"}]},
    "whole number": {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^\s*[-+]?[0-9]+\s*$"}]},
    "number": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": _NUMBER}]},
    "list of text": {"type": "array", "items": _TEXT},
    "list of step names": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]},
    "path or map": {"anyOf": [{"type": "string"}, {"type": "object"}]},
}


@dataclass(frozen=True)
class Row:
    """One key of the page."""

    type: str
    default: str
    meaning: str


def sections() -> dict[str, dict[str, Row]]:
    """The tables of the page by heading and key."""
    found: dict[str, dict[str, Row]] = defaultdict(dict)
    heading = ""
    for line in PAGE.read_text("utf-8").splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif match := re.fullmatch(r"\| `([^`]+)` \| (.+?) \| (.+?) \| (.+) \|", line):
            found[heading][match[1]] = Row(match[2], match[3], match[4])
    return {heading: rows for heading, rows in found.items() if heading not in _NO_DEFINITION}


def schema() -> Schema:
    """The schema of the page as it is."""
    tables = sections()
    definitions = {_name(heading): _section(heading, rows) for heading, rows in tables.items() if heading != "The file"}
    definitions["any_step"] = _any_step(definitions)
    definitions["step"] = _step()
    top = _section("The file", tables["The file"])
    top["properties"]["jobs"] = {**_described(tables["The file"]["jobs"]), **_map_of(_reference("step"))}
    top["required"] = ["type"]
    top["anyOf"] = [{"required": ["jobs"]}, {"required": ["component"]}]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "fanout pipeline file",
        "description": "A pipeline file of Azure Machine Learning as fanout reads it, with fanout's own keys.",
        **top,
        "definitions": definitions,
    }


def _section(heading: str, rows: dict[str, Row]) -> Schema:
    properties = {key: {**_described(row), **_value(heading, key, row)} for key, row in rows.items()}
    if heading not in _CLOSED:
        unused = [*_unused(), *(["resources"] if heading == "Environment" else [])]
        silent = {"description": "Accepted; has no effect in fanout."}
        properties |= {key: silent for key in unused if key not in properties}
    made: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    required = [key for key, row in rows.items() if row.default == "required" and (heading, key) not in _NOT_REQUIRED]
    if required and heading != "The file":
        whole = {"required": required}
        has_component = "component" in rows
        made |= {"anyOf": [{"required": ["component"]}, whole]} if has_component else whole
    return made


def _value(heading: str, key: str, row: Row) -> Schema:
    """What a value of this type is in JSON; most may also be bound by an expression."""
    kind = re.sub(r"; \*ours\*.*", "", row.type)
    words = re.findall(r"`([^`]+)`", kind)
    see = re.search(r"see \[([^\]]+)\]\(#", f"{row.type} {row.meaning}")
    if key == "component":
        return {"type": ["string", "object"]}
    if key == "mini_batch_size":
        return {"type": ["string", "integer"]}
    if see and "map" in kind:
        return _map_or(kind, see[1])
    if kind.startswith("map of columns to types"):
        return {"type": ["object", "string"]}
    if kind.startswith("seconds"):
        kind = "number"
    if kind in _TYPES:
        return {"anyOf": [*_TYPES[kind].get("anyOf", [_TYPES[kind]]), _BINDING]}
    if kind.startswith(("path", "one character")):
        lists = [{"type": "array", "items": {"type": "string"}}] if "list" in row.type else []
        return {"anyOf": [{"type": "string"}, *lists]} if lists else {"type": "string"}
    if words and all(word.startswith("${{") for word in words):
        return _BINDING
    if words:
        enum = [*words, *(_MODELS if "a model type" in kind else []), *_OLD_WORDS.get((heading, key), [])]
        return {"enum": enum} if key == "type" else {"anyOf": [{"enum": enum}, _BINDING]}
    raise SystemExit(f"{PAGE.name}: the type of `{key}` is not known to {Path(__file__).name}: {row.type}")


def _map_or(kind: str, heading: str) -> Schema:
    if heading in _ENTRIES:
        return _ENTRIES[heading]()
    others = [_TEXT] if kind != "map" else [{"type": "null"}]
    return {"anyOf": [_reference(heading), *others]}


def _step() -> Schema:
    """A step is what its type says; one without a type is what its component says, else a command."""

    def of(kind: str) -> Schema:
        return {"properties": {"type": {"const": kind}}, "required": ["type"]}

    either = {"if": {"required": ["component"]}, "then": _reference("any_step"), "else": _reference("A command step")}
    pipeline = {"if": of("pipeline"), "then": _reference("any_step"), "else": either}
    return {"type": "object", "if": of("parallel"), "then": _reference("A parallel step"), "else": pipeline}


def _any_step(definitions: dict[str, Schema]) -> Schema:
    """The keys that a step may have whose kind only its component says, a pipeline component among them."""
    parallel, command = (definitions[name]["properties"] for name in ("a_parallel_step", "a_command_step"))
    kind = {"type": {"enum": ["parallel", "command", "pipeline"]}}
    more = {"settings": _reference("Settings"), "jobs": _map_of(_reference("step"))}
    return {"type": "object", "additionalProperties": False, "properties": {**command, **parallel, **kind, **more}}


def _unused() -> list[str]:
    text = PAGE.read_text("utf-8").partition("## Keys without effect")[2].partition("and `resources`")[0]
    return re.findall(r"`([^` ]+)`", text)


def _described(row: Row) -> Schema:
    plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", row.meaning).replace("*ours*: ", "")
    ours = " Not on Azure." if row.meaning.startswith("*ours*") else ""
    default = "" if row.default in ("none", "required") else f" Default: {row.default.replace('`', '')}."
    return {"description": f"{plain[:1].upper()}{plain[1:]}.{default}{ours}".replace("`", "")}


def _map_of(values: Schema) -> Schema:
    return {"type": ["object", "null"], "additionalProperties": values}


def _reference(heading: str) -> Schema:
    return {"$ref": f"#/definitions/{_name(heading)}"}


def _name(heading: str) -> str:
    return heading.lower().replace(" ", "_")


def text() -> str:
    """The file, as it is written."""
    return json.dumps(schema(), indent=1) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text(), "utf-8")
    sys.stdout.write(f"{TARGET.relative_to(ROOT)}\n")
