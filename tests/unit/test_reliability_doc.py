"""docs/reliability.md: every promise and every case has a row, and every test that is named there exists."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text()
NAMED = re.compile(r"`((?:tests|fanout/testing/contracts)/[\w/.]+\.py)::(\w+)`")
ROW = re.compile(r"^\| (I?\d+) \|(.*)\|$", re.MULTILINE)


@cache
def _tests_of(file: str) -> frozenset[str]:
    """The names of the tests in a file; none when there is no such file."""
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    found = (node for node in ast.walk(ast.parse(path.read_text())))
    return frozenset(node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_promise_and_case_has_its_row() -> None:
    """I1 to I9 and 1 to 31, each once and in order."""
    names = [name for name, _ in ROW.findall(PAGE)]
    assert names == [f"I{n}" for n in range(1, 10)] + [str(n) for n in range(1, 32)]


def test_every_row_names_a_test() -> None:
    """No promise and no case goes without."""
    assert {name for name, row in ROW.findall(PAGE) if not NAMED.search(row)} == set()


def test_every_test_that_is_named_exists() -> None:
    """A test that was renamed or removed is missed here."""
    named = NAMED.findall(PAGE)
    assert len(named) > 60
    assert [f"{file}::{name}" for file, name in named if name not in _tests_of(file)] == []


def test_nothing_else_looks_like_a_test() -> None:
    """No reference escapes the check by its spelling."""
    assert len(re.findall(r"::", PAGE)) == len(NAMED.findall(PAGE))


def test_the_commands_are_there() -> None:
    """Each `make` target and each `python -m` module that the page names."""
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make (\w+)", PAGE)) <= targets
    for module in set(re.findall(r"python -m ([\w.]+)", PAGE)):
        assert (ROOT / module.replace(".", "/") / "__main__.py").is_file()
