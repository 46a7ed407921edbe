"""fanout runs a user's `run(mini_batch)` over a large input, in parallel, and survives whatever fails.

    import fanout

    run = fanout.run("pipeline.yml")        # the end of a run of a pipeline file
    print(run.status, run.output().rows())

docs/python.md has a page of examples. Importing this costs next to nothing: each name is loaded when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fanout.version import __version__ as __version__

if TYPE_CHECKING:
    from fanout.api.functions.parallel import ParallelFunction as ParallelFunction
    from fanout.api.functions.parallel import imap as imap
    from fanout.api.functions.parallel import map as map  # noqa: A004
    from fanout.api.functions.parallel import parallel as parallel
    from fanout.api.output import Output as Output
    from fanout.api.pipeline_calls import open_run as open_run
    from fanout.api.pipeline_calls import plan as plan
    from fanout.api.pipeline_calls import run as run
    from fanout.api.pipeline_calls import runs as runs
    from fanout.api.pipeline_calls import submit as submit
    from fanout.api.pipeline_calls import validate as validate
    from fanout.api.run import Run as Run
    from fanout.api.values import FailedMiniBatch as FailedMiniBatch
    from fanout.api.values import RunEnded as RunEnded
    from fanout.api.values import RunStep as RunStep
    from fanout.api.values import StepEnded as StepEnded
    from fanout.api.values import StepProgress as StepProgress
    from fanout.api.values import StepStarted as StepStarted
    from fanout.api.values import Validation as Validation
    from fanout.errors import FanoutError as FanoutError
    from fanout.errors import InfrastructureError as InfrastructureError
    from fanout.errors import InputError as InputError
    from fanout.errors import RunError as RunError
    from fanout.errors import RunFailed as RunFailed
    from fanout.errors import ScriptError as ScriptError
    from fanout.errors import SettingsError as SettingsError
    from fanout.errors import SpecError as SpecError
    from fanout.errors import UserError as UserError
    from fanout.records.verdict import Counts as Counts
    from fanout.records.verdict import Verdict as Verdict

_MODULES = {
    "fanout.api.functions.parallel": ("ParallelFunction", "imap", "map", "parallel"),
    "fanout.api.output": ("Output",),
    "fanout.api.pipeline_calls": ("open_run", "plan", "run", "runs", "submit", "validate"),
    "fanout.api.run": ("Run",),
    "fanout.api.values": (
        "FailedMiniBatch",
        "RunEnded",
        "RunStep",
        "StepEnded",
        "StepProgress",
        "StepStarted",
        "Validation",
    ),
    "fanout.errors": (
        "FanoutError",
        "InfrastructureError",
        "InputError",
        "RunError",
        "RunFailed",
        "ScriptError",
        "SettingsError",
        "SpecError",
        "UserError",
    ),
    "fanout.records.verdict": ("Counts", "Verdict"),
}
_NAMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = ["__version__", *_NAMES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """The public name, loaded now."""
    if name not in _NAMES:
        raise AttributeError(f"module 'fanout' has no attribute {name!r}")
    import importlib

    found = getattr(importlib.import_module(_NAMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
