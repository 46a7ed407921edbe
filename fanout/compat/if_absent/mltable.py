"""`import mltable` in a step's processes where the package of that name is not installed: the same, from fanout.

Command steps have this folder on PYTHONPATH, in front of what is installed; so another mltable is looked for first.
Many scripts import mltable and never use it: nothing else is imported before something is asked for. The command may be
of any Python 3, so this module is written for 3.6.
"""

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Any

__all__ = [  # noqa: F822 - see __getattr__
    "DataType",
    "MLTable",
    "MLTableFileEncoding",
    "MLTableHeaders",
    "from_delimited_files",
    "from_delta_lake",
    "from_json_lines_files",
    "from_parquet_files",
    "from_paths",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'mltable' has no attribute {name!r}; there are {', '.join(__all__)}")
    if sys.version_info < (3, 11):
        raise ImportError(
            f"mltable.{name} is fanout's, which needs Python 3.11 or newer; this is Python {sys.version.split()[0]} of "
            "the step's own environment: let its conda file ask for a newer one, or run without --env"
        )
    from fanout import mltable

    return getattr(mltable, name)


def __dir__() -> "list[str]":
    return sorted({*globals(), *__all__})


def _another() -> "ModuleSpec | None":
    """The mltable that would be imported if this one were not there; a mere folder of that name is none."""
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib costs more than all else here
    others = [folder for folder in sys.path if os.path.abspath(folder) != here]  # noqa: PTH100
    spec = PathFinder.find_spec("mltable", others)
    return spec if spec is not None and spec.origin is not None else None


def _make_way(spec: ModuleSpec) -> None:
    """Loads the other one; what is in sys.modules after this is what the import statement gives."""
    module = sys.modules[__name__] = module_from_spec(spec)
    if spec.loader is not None:
        spec.loader.exec_module(module)


_found = _another()
if _found is not None:
    _make_way(_found)
elif find_spec("fanout") is None:  # a command's own Python, in which there is no fanout
    raise ModuleNotFoundError("No module named 'mltable'", name="mltable")
