"""What slots that read tables need: imported once, by the fork server, before they are copied.

Importing pandas and pyarrow takes 0.4 s of CPU, and every reader of a table needs both. Imported by the fork server:
the standard library only, until it is asked for more.
"""

import contextlib
import sys
from pathlib import Path

LIBRARIES = frozenset(
    {
        "dateutil",
        "numpy",
        "pandas",
        "pyarrow",
        "pytz",
        "six",
    }
)
AT_THE_IMPORT = (
    "OMP_",
    "KMP_",
    "OPENBLAS_",
    "GOTO_",
    "MKL_",
    "BLIS_",
    "NPY_",
    "NUMPY_",
    "PANDAS_",
    "ARROW_",
    "MIMALLOC_",
)
"""Beginnings of the names of variables that these libraries look for when they are imported."""


def load() -> None:
    """They are there from now on; where one is missing or broken, the slot that imports it says so."""
    with contextlib.suppress(Exception):
        import pandas  # noqa: F401
        from pyarrow import csv, parquet  # noqa: F401

        from fanout.tables import table_parts  # noqa: F401
        from fanout.tables.recipe import TableRecipe, from_json

        from_json(TableRecipe(None).to_json(), "a recipe")  # what reads recipes is made at the first one


def become_another_process() -> None:
    """In a copy: its random numbers are its own. The standard library's own module sees to that itself."""
    if (random := sys.modules.get("numpy.random")) is not None:
        random.seed()


def goes_unnoticed(code: Path | None, entry_script: str) -> bool:
    """Whether a script finds the same whether it is there before these libraries or after them.

    It does not when a module beside it has the name of one that they import, or when it, or one of those, sets how many
    threads they use.
    """
    script = (code or Path.cwd()) / entry_script
    try:
        found = [*script.parent.iterdir(), *(code or Path.cwd()).iterdir()]
        names = {path.name.partition(".")[0] for path in found if _is_module(path)}
        texts = (path.read_bytes() for path in {script, *found} if path.suffix == ".py")
        return not names & (LIBRARIES | sys.stdlib_module_names) and not any(b"_NUM_THREADS" in text for text in texts)
    except OSError:
        return False


def _is_module(path: Path) -> bool:
    return path.suffix in (".py", ".pyc", ".so") or (path / "__init__.py").exists()
