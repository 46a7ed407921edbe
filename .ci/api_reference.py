"""Writes docs/reference/python-api.md from the docstrings and signatures of the public names: `make reference`."""

import contextlib
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fanout

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "python-api.md"
GROUPS = {
    "Functions over data": ("map", "imap", "parallel", "ParallelFunction"),
    "Pipelines and runs": ("run", "submit", "open_run", "runs", "plan", "validate", "Run", "Output"),
    "Values": (
        "RunStep",
        "Counts",
        "Verdict",
        "FailedMiniBatch",
        "Validation",
        "StepStarted",
        "StepProgress",
        "StepEnded",
        "RunEnded",
    ),
    "Errors": (
        "FanoutError",
        "UserError",
        "SpecError",
        "SettingsError",
        "InputError",
        "RunError",
        "InfrastructureError",
        "RunFailed",
        "ScriptError",
    ),
}
HEAD = """\
# Python API

This page has every public name of `import fanout` with its signature and docstring. It is generated from the code by
`make reference`, and a test holds the two equal. [fanout from Python](../python.md) shows how the names are used.
"""
WIDTH = 100


def page() -> str:
    """The page as the code says now; KeyError for a public name that no group has."""
    there = {name for names in GROUPS.values() for name in names}
    if missing := sorted(set(fanout.__all__) - there - {"__version__"}):
        raise KeyError(f"no group of .ci/api_reference.py has {', '.join(missing)}")
    parts = [HEAD]
    for title, names in GROUPS.items():
        parts.append(f"\n## {title}\n")
        parts += [_entry(name) for name in names]
    return "".join(parts)


def _entry(name: str) -> str:
    found = getattr(fanout, name)
    if not inspect.isclass(found):
        return f"\n### fanout.{name}\n\n{_code(_signature(name, found))}\n{_text(found)}"
    bases = f"({found.__mro__[1].__name__})" if issubclass(found, BaseException) else ""
    fields = "".join(f"\n    {field}" for field in _fields(found))
    colon = ":" if fields else ""
    parts = [f"\n### fanout.{name}\n\n{_code(f'class {name}{bases}{colon}{fields}')}\n{_text(found)}"]
    parts += [f"\n{_member(member, value)}" for member, value in _members(found)]
    return "".join(parts)


def _fields(found: type) -> Iterator[str]:
    """Those that the class declares, with their types."""
    annotations = vars(found).get("__annotations__", {})
    with contextlib.suppress(NameError):  # of a type that is imported for checkers only
        annotations = {name: typing.get_type_hints(found)[name] for name in annotations}
    for name, annotation in annotations.items():
        if not name.startswith("_"):
            yield f"{name}: {_annotation(annotation)}"


def _members(found: type) -> Iterator[tuple[str, Any]]:
    """Properties and methods in the order of the code, without those that only Python itself calls."""
    for name, value in vars(found).items():
        if name.startswith("_") and name != "__call__":
            continue
        if isinstance(value, property | types.FunctionType | classmethod | staticmethod):
            yield name, value


def _member(name: str, value: Any) -> str:
    if isinstance(value, property):
        returns = inspect.signature(value.fget).return_annotation if value.fget else ""
        return f"{_code(f'{name}: {_annotation(returns)}')}\n{_text(value)}"
    function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    return f"{_code(_signature(name, function))}\n{_text(function)}"


def _annotation(found: Any) -> str:
    return _plain(found if isinstance(found, str) else inspect.formatannotation(found))


def _plain(text: str) -> str:
    """Names of types without their modules, and without quotes."""
    text = re.sub(r"(: |-> )'([^']+)'", r"\1\2", text)
    text = re.sub(r"\bOptional\[([\w.]+)\]", r"\1 | None", text)
    return re.sub(r"\b(?:typing|collections\.abc|pathlib|os|fanout(?:\.\w+)+)\.(?=[A-Z])", "", text).replace("~", "")


def _signature(name: str, function: Any) -> str:
    overloads = typing.get_overloads(function) or [function]
    return "\n".join(_one_signature(name, one) for one in overloads)


def _one_signature(name: str, function: Any) -> str:
    signature = inspect.signature(function)
    kept = [parameter for parameter in signature.parameters.values() if parameter.name != "self"]
    signature = signature.replace(parameters=kept)
    prefix = "async def" if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function) else "def"
    line = _plain(f"{prefix} {name}{signature}")
    if len(line) <= WIDTH:
        return line
    return f"{prefix} {name}(\n" + "".join(f"    {part},\n" for part in _parameters(line)) + f"){_returns(line)}"


def _parameters(line: str) -> Iterator[str]:
    """The parameters of a signature, cut at commas outside of brackets and texts."""
    depth, part = 0, ""
    for sign in line[line.index("(") + 1 : _end(line)]:
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0:
            yield part.strip()
            part = ""
        else:
            part += sign
    yield part.strip()


def _end(line: str) -> int:
    depth = 0
    for at, sign in enumerate(line):
        depth += (sign == "(") - (sign == ")")
        if sign == ")" and depth == 0:
            return at
    return len(line)


def _returns(line: str) -> str:
    return line[_end(line) + 1 :]


def _code(text: str) -> str:
    return f"```python\n{text}\n```\n"


def _text(found: Any) -> str:
    said = inspect.getdoc(found) or ""
    return f"{said}\n" if said else ""


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    sys.stdout.write(f"{PAGE}\n")
