"""The structure of the repository, in figures: files in a folder, circles of imports, lines of a function."""

import ast
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "fanout"
FILES = 18
"""Files that a folder may hold: what a reader takes in at a glance."""
EXCEPTIONS = {"fanout/tables": 21}
LISTS = ("tests/data", "docs/adr")
"""Folders that hold one of each case, or one of each decision: they only grow, and are not read as a whole."""
LINES = 20
"""Lines, with signature and docstring, that 95 of 100 functions have at the most."""
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def _files() -> Iterator[Path]:
    for top in ("fanout", "handlers", "tests", "docs"):
        found = (path.relative_to(ROOT) for path in sorted((ROOT / top).rglob("*")) if path.is_file())
        yield from (path for path in found if "__pycache__" not in path.parts and not path.name.startswith("."))


def test_a_folder_can_be_taken_in_at_a_glance() -> None:
    """No folder of code, tests or docs holds more files than its budget."""
    counts = Counter(path.parent.as_posix() for path in _files() if not path.as_posix().startswith(LISTS))
    assert len(counts) > 60
    assert {folder: n for folder, n in counts.items() if n > EXCEPTIONS.get(folder, FILES)} == {}


def _imports(module: str) -> Iterator[str]:
    """The modules of fanout that a module imports anywhere in it, functions and TYPE_CHECKING included."""
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in MODULES else node.module for name in names)


def test_no_circle_of_imports() -> None:
    """Every module can be read after those it imports, even where it imports them late or for their types only."""
    graph = {module: {name for name in _imports(module) if name in MODULES} - {module} for module in MODULES}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))
    assert len(order) == len(MODULES) > 300


def test_functions_are_short() -> None:
    """Of 100 functions 95 have at most 20 lines."""
    lengths = sorted(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for path in MODULES.values()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert len(lengths) > 2000
    assert lengths[len(lengths) * 95 // 100] <= LINES
