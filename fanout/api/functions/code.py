"""How a function travels: the folder that becomes the code of its run.

A function that a module can be asked for goes as `module:name`, with the modules of this process that are not
installed; any other (of a notebook, of `__main__`, a lambda) as cloudpickle writes it. Both are part of the run's own
code, which is stored under its digest.
"""

import inspect
import json
import linecache
import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanout.api.functions import script
from fanout.errors import InputError
from fanout.records.function_runs import FUNCTION_SCRIPT

LARGEST_SOURCE = 1024 * 1024
_INSTALLED = ("site-packages", "dist-packages")


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """What of a function its slots have to know: whether it takes one item, what items are, how rows are written."""

    function: Any
    per_item: bool
    items: str  # values, files or table
    json: bool  # rows are written as JSON lines
    init: Callable[[], object] | None = None


def name_of(function: Any) -> str:
    """What the function is called, as the name of a step: letters, digits and underscores."""
    own = getattr(function, "__name__", type(function).__name__)
    plain = re.sub(r"\W+", "_", own, flags=re.ASCII).strip("_").lower()
    return plain if plain and not plain[0].isdigit() else f"function_{plain}".rstrip("_")


def write_code(folder: Path, call: FunctionCall) -> None:
    """The code folder of a run that makes this call; InputError when the function cannot be taken along."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(script.__file__, folder / FUNCTION_SCRIPT)
    order = {
        "name": name_of(call.function),
        "function": _travel(call.function, folder, script.PICKLE_FILE),
        "init": None if call.init is None else _travel(call.init, folder, "init.pickle"),
        "per_item": call.per_item,
        "items": call.items,
        "json": call.json,
        "takes_context": not call.per_item and _places(call.function) >= 2,
        "modules": copy_modules(folder),
        "sources": _sources(call.function),
        "path": [os.path.abspath(place) for place in sys.path[:1]],  # noqa: PTH100 - "" is the current folder
        "cwd": os.getcwd(),  # noqa: PTH109 - as it is
    }
    (folder / script.ORDER_FILE).write_text(json.dumps(order), "utf-8")


def _places(function: Any) -> int:
    """How many positional arguments it takes."""
    target = function.__call__ if isinstance(function, type) else function
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):
        return 1
    taken = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(taken) - isinstance(function, type)


def _travel(function: Any, folder: Path, file: str) -> Mapping[str, str]:
    """Where a slot finds the function: `module` and `name`, or the `pickle` that is now in the folder."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    if module not in (None, "__main__", "__mp_main__") and _is_found(function, module, name):
        return {"module": module, "name": name}
    try:
        (folder / file).write_bytes(_pickled(function))
    except Exception as exc:
        raise InputError(
            f"{name or function!r} cannot be sent to other processes: {type(exc).__name__}: {exc}; what it uses from "
            "around it must be picklable: open files, connections and locks belong inside of it"
        ) from exc
    return {"pickle": file}


def _is_found(function: Any, module: str, name: str) -> bool:
    """Whether the module, asked for the name, gives this function."""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is not None and getattr(found, "__fanout_function__", found) is function


def _pickled(function: Any) -> bytes:
    import cloudpickle

    body: bytes = cloudpickle.dumps(function)
    return body


def _sources(function: Any) -> dict[str, str]:
    """The text of the file or cell that the function is written in, for tracebacks."""
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    path = getattr(code, "co_filename", "")
    lines = linecache.getlines(path) if path else []
    text = "".join(lines)
    return {path: text} if text and len(text) <= LARGEST_SOURCE else {}


def copy_modules(folder: Path) -> dict[str, str]:
    """Modules of this process that are not installed, copied; from each place in the folder to where it came from."""
    copied: dict[str, str] = {}
    for name, path in _local_modules():
        parts = name.split(".")
        relative = Path(*parts, "__init__.py") if path.name == "__init__.py" else Path(*parts).with_suffix(".py")
        for source, target in _with_package(path, relative):
            if str(target) in copied:
                continue
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / target)
            copied[str(target)] = str(source)
    return copied


def _with_package(path: Path, relative: Path) -> Iterator[tuple[Path, Path]]:
    """The module; of a package its other modules, too, which the function may import later."""
    yield path, relative
    if path.name == "__init__.py":
        for other in sorted(path.parent.glob("*.py")):
            yield other, relative.with_name(other.name)


def _local_modules() -> Iterator[tuple[str, Path]]:
    homes = _homes()
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        root = name.partition(".")[0]
        if not file or root in ("fanout", "azureml_user", "__main__", "__mp_main__") or not file.endswith(".py"):
            continue
        path = Path(file).absolute()
        if not path.is_file() or set(path.parts) & set(_INSTALLED) or str(path).startswith(homes):
            continue
        if path.stem in ("__init__", name.rpartition(".")[2]):  # else no import by this name would find it
            yield name, path


def _homes() -> tuple[str, ...]:
    """Where Python and what is installed are."""
    places = {sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
    return tuple(f"{Path(place).absolute()}{os.sep}" for place in places if place)
