"""The contract of an entry script: init() / run(mini_batch[, context]) / shutdown() (reference, section 6).

Everything here runs inside a slot, around user code. Imported by the slot's child process: the standard library only.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fanout.backports import dataclass, stdlib_module_names
from fanout.errors import EntryScriptError
from fanout.records.function_runs import FUNCTION_SCRIPT

if TYPE_CHECKING:
    from types import ModuleType

OURS = f"{Path(__file__).parents[2]}{os.sep}"
PROFILERS = tuple(f"{Path(os.__file__).parent}{os.sep}{name}.py" for name in ("cProfile", "profile"))
"""They stand between us and run() where --profiling_module asks for it."""
TRACEBACK_LIMIT = 16 * 1024


@dataclass(frozen=True, slots=True)
class MiniBatchContext:
    """What run() may ask about the mini-batch it was given."""

    minibatch_index: int
    partition_key_value: Mapping[str, str] = field(default_factory=dict)  # in the order of partition_keys
    global_row_index_lower_bound: int | None = None
    retry_count: int = 0


@dataclass(frozen=True, slots=True)
class UserScript:
    """A loaded script: its three functions, `init` and `shutdown` harmless where it has none."""

    init: Callable[[], Any]
    run: Callable[[Any, MiniBatchContext | None], Any]
    shutdown: Callable[[], Any]
    takes_context: bool = True  # else run() is content with None


def load(entry_script: str, code: str | None) -> UserScript:
    """The script, imported: `x.py` or `sub/x.py` relative to the code folder, or a dotted module name.

    Raises what the script raises while it is imported; EntryScriptError when there is none or it has no run().
    """
    module = _import(entry_script, Path(code) if code else Path.cwd())
    run = getattr(module, "run", None)
    if not callable(run):
        raise EntryScriptError(f"{entry_script} has no function run(mini_batch)")
    _check_places(run, entry_script)
    takes_context = _positional_places(run) >= 2  # parameter names are free
    return UserScript(
        _optional(module, "init"),
        run if takes_context else lambda mini_batch, _: run(mini_batch),
        _optional(module, "shutdown"),
        takes_context,
    )


def _import(entry_script: str, code: Path) -> ModuleType:
    path = code / entry_script
    if not path.is_file():
        if entry_script.endswith(".py"):
            raise EntryScriptError(f"there is no {entry_script} in the code folder {code}")
        return importlib.import_module(entry_script)
    # A script that is named like a library must not take its place for those that import it later.
    name = f"entry_script_{path.stem}" if path.stem in {*stdlib_module_names, *sys.modules} else path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise EntryScriptError(f"{entry_script} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _optional(module: ModuleType, name: str) -> Callable[[], Any]:
    function = getattr(module, name, None)
    return function if callable(function) else lambda: None


def _check_places(run: Callable[..., Any], entry_script: str) -> None:
    needed = sum(
        p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        for p in inspect.signature(run).parameters.values()
    )
    if _positional_places(run) == 0 or needed > 2:
        given = "it is given the mini-batch, and the context if it takes two"
        raise EntryScriptError(f"run() of {entry_script} takes {needed or 'no'} arguments; {given}")


def _positional_places(function: Callable[..., Any]) -> int:
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return 2
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def check_result(result: Any) -> int:
    """How many items `result` says were handled: its length; EntryScriptError when it is nothing countable."""
    if type(result) is list:  # as nearly always
        return len(result)
    if isinstance(result, (str, bytes, bytearray, Mapping, set, frozenset)) or not hasattr(result, "__len__"):
        shown = "" if result is None else f" ({_shorten(repr(result), 80)})"
        raise EntryScriptError(
            "run() must return a list, tuple, array or DataFrame with one element per item it has handled; "
            f"it returned {type(result).__name__}{shown}"
        )
    return len(result)


def exit_reason(exc: SystemExit) -> str:
    """What `sys.exit` was called with; when argparse called it, its complaint too, which it only prints."""
    said = f"the script called sys.exit({exc.code!r})"
    argparse = sys.modules.get("argparse")
    for frame, _ in traceback.walk_tb(exc.__traceback__):
        if argparse and frame.f_code.co_filename == argparse.__file__ and frame.f_code.co_name == "error":
            complaint = " ".join(str(frame.f_locals.get("message", "")).split())
            hint = "; parse_known_args() leaves them alone" if complaint.startswith("unrecognized") else ""
            return f"{said}, as argparse found: {_shorten(complaint, 300)}{hint}"
    return said


def user_traceback(exc: BaseException) -> str:
    """The traceback as the script's author wants it: without our own frames, at most 16 KiB."""
    summary = traceback.TracebackException.from_exception(exc, capture_locals=False)
    for part in _chain(summary):
        part.stack = traceback.StackSummary.from_list([f for f in part.stack if not is_ours(f.filename)])
    return _shorten("".join(summary.format()), TRACEBACK_LIMIT)


def script_traceback(exc: BaseException, folder: Path) -> str:
    """The lines of scripts in `folder` that `exc` came through; "" when it came through none."""
    frames = [
        frame for frame in traceback.extract_tb(exc.__traceback__) if frame.filename.startswith(f"{folder}{os.sep}")
    ]
    if not frames:
        return ""
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames)]
    return _shorten("".join([*lines, f"{type(exc).__name__}: {exc}\n"]), TRACEBACK_LIMIT)


def one_line(exc: BaseException) -> str:
    """`ValueError: what it says`, in one line."""
    try:
        text = " ".join(str(exc).split())
    except Exception:  # noqa: BLE001 - str() of the user's exception is user code too
        text = "its own text cannot be made"
    return _shorten(f"{type(exc).__name__}: {text}" if text else type(exc).__name__, 500)


def _chain(summary: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """It and every error behind it; the same error may be there twice, as cause and as member of a group."""
    seen: set[int] = set()
    waiting = [summary]
    while waiting:
        part = waiting.pop()
        if id(part) not in seen:
            seen.add(id(part))
            yield part
            waiting += filter(None, (part.__cause__, part.__context__, *(getattr(part, "exceptions", None) or ())))


def is_ours(filename: str) -> bool:
    """Whether a frame of this file is fanout's or Python's own, and says nothing about a script."""
    return filename.endswith(f"{os.sep}{FUNCTION_SCRIPT}") or filename.startswith(
        (OURS, "<frozen importlib", "<frozen runpy", *PROFILERS)
    )


def _shorten(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n… {len(text) - limit} characters left out …\n{text[-half:]}"
