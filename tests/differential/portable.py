"""A pipeline document as Azure takes it: what is ours taken out, what fanout lets people leave out filled in."""

from collections.abc import Mapping
from typing import Any

OURS = frozenset({"trigger"})
"""Keys of a pipeline file that Azure does not know."""
OURS_ON_A_STEP = frozenset({"depends_on", "mini_batch_rows", "isolate_failures", "speculate"})
OURS_ON_AN_INPUT = frozenset({"read"})
TEXTS = ("tags", "properties", "environment_variables", "mini_batch_size")
"""Where fanout takes a number or a boolean for the text that Azure wants."""
ENVIRONMENT = "azureml:any:1"
LITERALS = ("string", "number", "integer", "boolean")
"""Types that fanout takes on an input of the pipeline file, where Azure wants the bare value."""
COMPUTE = "azureml:any"
"""Azure wants both named; fanout runs without."""


def portable(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without our keys, and with an environment and a compute wherever Azure requires one."""
    kept = _with_texts({key: value for key, value in document.items() if key not in OURS})
    settings = kept.get("settings") or {}
    bare = {name: _bare(given) for name, given in (kept.get("inputs") or {}).items()}
    inputs = {name: given for name, given in bare.items() if given is not None}  # an optional one may be left out there
    return {
        **kept,
        **({"inputs": inputs} if inputs else {}),
        "settings": {"default_compute": COMPUTE, **settings},
        **({"jobs": {name: _step(step) for name, step in kept["jobs"].items()}} if "jobs" in kept else {}),
    }


def portable_component(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a component file; `jobs` are those of a pipeline component."""
    if "jobs" in document:
        return {**document, "jobs": {name: _step(step) for name, step in document["jobs"].items()}}
    return _step(document)


def _step(step: Mapping[str, Any]) -> dict[str, Any]:
    kept = _with_texts({key: value for key, value in step.items() if key not in OURS_ON_A_STEP})
    if "${{" in str(kept.get("limits", "")):  # fanout lets people bind this one, too
        kept["limits"] = {"timeout": 1}
    if isinstance(kept.get("inputs"), dict):
        kept["inputs"] = {name: _without_ours(given) for name, given in kept["inputs"].items()}
    if isinstance(kept.get("component"), dict):
        return {**kept, "component": _step(kept["component"])}
    if "component" in kept:
        return kept
    if isinstance(kept.get("task"), dict):
        return {**kept, "task": {"environment": ENVIRONMENT, **kept["task"]}}
    return {"environment": ENVIRONMENT, **kept}


def _bare(given: Any) -> Any:
    """A declared value of the pipeline as the value alone."""
    is_value = isinstance(given, dict) and given.get("type") in LITERALS
    return given.get("default") if is_value else _without_ours(given)


def _without_ours(given: Any) -> Any:
    return (
        {key: value for key, value in given.items() if key not in OURS_ON_AN_INPUT}
        if isinstance(given, dict)
        else given
    )


def _with_texts(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _as_text(value) if key in TEXTS else value for key, value in mapping.items()}


def _as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_text(each) for key, each in value.items()}
    return str(value) if isinstance(value, int | float) else value
