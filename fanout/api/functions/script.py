"""The entry script of runs that were made from a Python function: part of the code of each such run.

This file is copied into the run's own code, beside `fanout_function.json`, which says what to call, and, for functions
that no module can be asked for, `function.pickle`: the user's own function as cloudpickle wrote it. Nothing else of
fanout unpickles anything. It imports nothing of fanout, so that a later version can go on with the run.
"""

import base64
import importlib
import importlib.abc
import importlib.machinery
import json
import linecache
import os
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

HERE = Path(__file__).parent
ORDER_FILE = "fanout_function.json"
PICKLE_FILE = "function.pickle"
_PLAIN = (type(None), bool, int, float, str)


class _Loaded:
    """What this process calls, once `init` has found it."""

    call: Callable[..., Any]
    shutdown: Callable[[], object]


class _FromHere(importlib.abc.MetaPathFinder):
    """Finds the modules that came along, as if they were where their author has them: tracebacks name those places."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        spec = importlib.machinery.PathFinder.find_spec(fullname, [str(HERE)] if path is None else path, target)
        origin = None if spec is None else spec.origin
        name = os.path.relpath(origin, HERE) if origin else ""
        if spec is None or origin is None or name not in self._places:
            return None
        spec.loader = _Loader(fullname, origin, self._places[name])
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles a module under the path that it had at home, whose lines are then known here, too."""

    def __init__(self, fullname: str, path: str, home: str) -> None:
        super().__init__(fullname, path)
        self._home = home

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - importlib's signature
        source = self.get_data(self.path)
        _remember(self._home, source.decode("utf-8", "replace"))
        return self.source_to_code(source, self._home)


def _remember(path: str, source: str) -> None:
    """Tracebacks show these lines of the file."""
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)


def init() -> None:
    """Finds the function, and enters it when it is a class with `__enter__`."""
    order = json.loads((HERE / ORDER_FILE).read_text("utf-8"))
    sys.meta_path.insert(0, _FromHere(order["modules"]))
    sys.path += [place for place in order["path"] if place not in sys.path]
    for path, source in order["sources"].items():
        _remember(path, source)
    if Path(order["cwd"]).is_dir():  # on the machine of the caller; elsewhere the folder is not there
        os.chdir(order["cwd"])
    if order["init"]:
        _find(order["init"])()
    function = _find(order["function"])
    _Loaded.shutdown = lambda: None
    if isinstance(function, type) and any("__call__" in vars(kind) for kind in function.__mro__):
        function = function()  # else it is called as it is: str, a dataclass
        if hasattr(function, "__enter__"):
            function = function.__enter__() or function
        if hasattr(function, "__exit__"):
            _Loaded.shutdown = lambda: function.__exit__(None, None, None)
    _Loaded.call = _caller(function, order)


def run(mini_batch: Any, context: Any) -> Any:
    """The rows of one mini-batch."""
    return _Loaded.call(mini_batch, context)


def shutdown() -> None:
    """Leaves what `init` has entered."""
    _Loaded.shutdown()


def _find(where: Mapping[str, str]) -> Any:
    if "pickle" in where:
        # The user's own function, out of the code of this run, which `fanout` has checked by its digest.
        return pickle.loads((HERE / where["pickle"]).read_bytes())  # noqa: S301
    found: Any = importlib.import_module(where["module"])
    for name in where["name"].split("."):
        found = getattr(found, name)
    return getattr(found, "__fanout_function__", found)


def _caller(function: Callable[..., Any], order: Mapping[str, Any]) -> Callable[[Any, Any], Any]:
    """How a mini-batch is handed to the function: item by item, or as a whole."""
    name, values = order["name"], order["items"] == "values"
    if order["per_item"]:
        if order["items"] == "table":
            return lambda table, _: [checked(function(row), name) for row in table.to_dict("records")]
        return lambda mini_batch, _: [_row(item, function, name) for item in mini_batch]
    opened = (
        (lambda batch: [value_of(item) for item in batch]) if values else _paths if order["items"] == "files" else _same
    )
    if order["takes_context"]:
        return lambda mini_batch, context: _rows(function(opened(mini_batch), context), order)
    return lambda mini_batch, _: _rows(function(opened(mini_batch)), order)


def _rows(result: Any, order: Mapping[str, Any]) -> Any:
    """Rows that become JSON are values; whatever else a function returns is written as a script's would be."""
    return [checked(row, order["name"]) for row in result] if order["json"] and type(result) is list else result


def _row(item: Any, function: Callable[[Any], Any], name: str) -> Any:
    if isinstance(item, str):
        return checked(function(Path(item)), name)
    if "r" in item:  # it was measured before the run, and is not called again
        return checked(item["r"], name)
    return checked(function(value_of(item)), name)


def value_of(item: Mapping[str, Any]) -> Any:
    """The item that a line of the run's items stands for."""
    if "v" in item:
        return item["v"]
    if "f" in item:
        return Path(item["f"])
    return pickle.loads(base64.b64decode(item["p"]))  # noqa: S301 - the caller's own value


def _paths(files: Sequence[str]) -> list[Path]:
    return [Path(file) for file in files]


def _same(data: Any) -> Any:
    return data


class _Text(str):
    """A text that stays one: scripts may return lines of JSON, which begin so, and functions mean what they return."""

    __slots__ = ()

    def __getitem__(self, _: Any) -> str:
        return ""


def checked(value: Any, name: str) -> Any:
    """The value as it is written; TypeError when JSON has none like it: it would come back as something else."""
    if type(value) is str:
        return _Text(value) if value[:1] in ("{", "[") else value
    if type(value) not in _PLAIN:
        _check(value, name)
    return value


def _check(value: Any, name: str) -> None:
    if isinstance(value, _PLAIN) or hasattr(value, "tolist") or hasattr(value, "isoformat"):
        return
    if isinstance(value, (list, tuple)):
        for one in value:
            _check(one, name)
    elif isinstance(value, dict):
        for key, one in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{name} returned a dict with a key of type {type(key).__name__}; JSON has only texts")
            _check(one, name)
    else:
        raise TypeError(
            f"{name} returned {type(value).__name__}; return numbers, texts, lists, dicts or None, which are stored as "
            "JSON, or write a file and return its path"
        )
