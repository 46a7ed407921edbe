"""Jobs and components of Azure's SDK as the mappings that pipeline files are, with every local path absolute.

The SDK writes paths as they were given, each relative to where it was given: a notebook's folder, or that of a
component's file. Objects of the SDK are asked for their own serialisation and nothing else.
"""

import os.path
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fanout.errors import InputError
from fanout.pipeline.assets import asset_name
from fanout.pipeline.data.locations import without_prefix
from fanout.pipeline.expressions import parse_reference
from fanout.pipeline.yaml.diagnostics import CheckFailed

Document = dict[str, Any]
_NO_STEP_NAME = re.compile(r"[^a-z0-9_]+")
_OF_AZURE = ("id", "creation_context")
"""What the SDK notes of a component that is registered."""
_STANDALONE = ("command", "parallel")
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


def job_document(job: Any) -> Document:
    """The pipeline that a job is; a job that is a single step becomes a pipeline of that step.

    InputError for what is no job, or a kind of job that does not run here.
    """
    kind = getattr(job, "type", None)
    if callable(job) and not hasattr(job, "_to_dict"):
        name = getattr(job, "__name__", "it")
        raise InputError(f"expected a job, got the function {name}: call it, and submit what it returns")
    if not hasattr(job, "_to_dict"):
        raise InputError(f"expected a job of Azure's SDK, got {type(job).__name__}")
    document = plain(job._to_dict())
    base = _folder(job, Path.cwd())
    if kind == "pipeline" and hasattr(job, "jobs"):
        return _pipeline(document, job, base)
    if kind in _STANDALONE and hasattr(job, "component"):
        return _alone(document, job, base)
    raise InputError(
        f"a job of type {kind or type(job).__name__} does not run here; put parallel and command steps into a function "
        "with @dsl.pipeline"
    )


def component_document(component: Any) -> Document:
    """The file of a component, with absolute paths."""
    return _component(plain(component._to_dict()), component, Path.cwd())


def environment_document(environment: Any) -> Document:
    """The file of an environment, with absolute paths."""
    document: Document = plain(environment._to_dict())
    _environment({"environment": document}, _folder(environment, Path.cwd()))
    return document


def plain(value: Any) -> Any:
    """Mappings, lists and scalars of the SDK, which has classes of its own for them, as Python's own."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)


def absolute(text: Any, base: Path) -> Any:
    """A local path as an absolute one; URIs, names of assets, expressions and what is no text stay as they are."""
    if not isinstance(text, str) or not text or "${{" in text:
        return text
    if _is_asset(text, base):
        return text
    written = (
        without_prefix(text).removeprefix("azureml:") if not text.startswith("azureml:/") else without_prefix(text)
    )
    if _REMOTE.match(written) and not written.startswith("file:"):
        return written
    if text.startswith("azureml:/subscriptions/"):
        return text
    return os.path.normpath(base / written.removeprefix("file:").removeprefix("//"))


def _is_asset(text: str, base: Path) -> bool:
    """Whether the text names an asset; a name without a version is a path where there is one (`azureml:data`)."""
    try:
        name = asset_name(text)
    except CheckFailed:
        return True  # the reader of pipeline files says what is wrong with it
    if name is None:
        return False
    return name.version is not None or "@" in text or not (base / name.name).exists()


def _pipeline(document: Document, job: Any, base: Path) -> Document:
    """A pipeline job or component: its inputs, its outputs and its steps."""
    _data(document, base)
    objects = dict(job.jobs)
    for name, node in (document.get("jobs") or {}).items():
        if isinstance(node, dict) and name in objects:
            declare_inputs(node, getattr(objects[name].component, "inputs", None) or (), document)
            document["jobs"][name] = _node(node, objects[name], base)
    return document


def declare_inputs(node: Document, names: Iterable[str], around: Document) -> None:
    """Declares what the SDK leaves out: inputs of a function with @pipeline that are not annotated.

    Each has the type of what the step `node` gives it in the pipeline `around`.
    """
    component = node.get("component")
    if not isinstance(component, dict) or component.get("type") != "pipeline":
        return
    declared = component.setdefault("inputs", {})
    for name in names:
        if name not in declared:
            declared[name] = {"type": _type_of((node.get("inputs") or {}).get(name), around)}


def _type_of(given: Any, around: Document) -> str:
    """The type of a value: its own, or that of what it is bound to."""
    if isinstance(given, dict):
        bound = parse_reference(str(given.get("path", "")))
        return str(given["type"]) if given.get("type") or bound is None else _type_of(given["path"], around)
    if isinstance(given, bool):
        return "boolean"
    if isinstance(given, int | float):
        return "integer" if isinstance(given, int) else "number"
    reference = parse_reference(str(given))
    if reference is None:
        return "string"
    if reference.step is None:
        there = (around.get("inputs") or {}).get(reference.name)
        return str(there.get("type", "uri_folder")) if isinstance(there, dict) else _type_of(there, {})
    step = (around.get("jobs") or {}).get(reference.step)
    return _output_type(step if isinstance(step, dict) else {}, reference.name)


def _output_type(step: Document, name: str) -> str:
    """The type of an output of a step, as it or its component says."""
    component = step.get("component")
    for where in (step, component if isinstance(component, dict) else {}):
        said = (where.get("outputs") or {}).get(name)
        if isinstance(said, dict) and said.get("type"):
            return str(said["type"])
    return "uri_folder"


def _node(document: Document, node: Any, base: Path) -> Document:
    """A step: paths of its inputs and outputs from the job's folder, those of its code from the component's."""
    component = getattr(node, "component", None)
    inner = document.get("component")
    _forget(document)
    _data(document, base)
    if isinstance(inner, dict):
        document["component"] = _component(inner, component, base)
    elif isinstance(inner, str) and not inner.startswith("azureml:"):
        document["component"] = absolute(inner, base)
    _code(document, _folder(component, _folder(node, base)))
    return document


def _component(document: Document, component: Any, base: Path) -> Document:
    folder = _folder(component, base)
    _forget(document)
    if document.get("type") == "pipeline" and hasattr(component, "jobs"):
        return _pipeline(document, component, folder)
    _code(document, folder)
    return document


def _alone(document: Document, node: Any, base: Path) -> Document:
    """A pipeline with this one step."""
    said = ("display_name", "description", "experiment_name", "tags")
    top = {key: document[key] for key in said if document.get(key)}
    name = document.get("name") or getattr(node.component, "name", None) or node.display_name or "step"
    step = _NO_STEP_NAME.sub("_", str(name).lower()).strip("_")
    step = step if step and not step[0].isdigit() else f"step_{step}".rstrip("_")
    return {"type": "pipeline", **top, "jobs": {step: _node(document, node, base)}}


def _forget(document: Document) -> None:
    for key in _OF_AZURE:
        document.pop(key, None)


def _data(document: Document, base: Path) -> None:
    for side in ("inputs", "outputs"):
        for name, given in (document.get(side) or {}).items():
            if isinstance(given, dict) and "path" in given:
                given["path"] = absolute(given["path"], base)
            elif isinstance(given, str) and given.startswith("azureml:"):
                document[side][name] = absolute(given, base)


def _code(document: Document, base: Path) -> None:
    """The folder of the code and the files of the environment, of a command or of the task of a parallel step."""
    for holder in (document, document.get("task")):
        if isinstance(holder, dict):
            if "code" in holder:
                holder["code"] = absolute(holder["code"], base)
            _environment(holder, base)


def _environment(holder: Document, base: Path) -> None:
    environment = holder.get("environment")
    if not isinstance(environment, dict):
        return
    if isinstance(environment.get("conda_file"), str):
        environment["conda_file"] = absolute(environment["conda_file"], base)
    build = environment.get("build")
    if isinstance(build, dict) and "path" in build:
        build["path"] = absolute(build["path"], base)


def _folder(thing: Any, default: Path) -> Path:
    """Where relative paths of an object of the SDK start from."""
    folder = getattr(thing, "base_path", None)
    return default if folder in (None, "") else (default / str(folder)).absolute()
