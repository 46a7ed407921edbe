"""docs/security.md: every sentence of what holds names tests, and they exist."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.compile(r"`(tests/[\w/.]+\.py)(?:::(\w+))?`")
ROW = re.compile(r"^\| T(\d+) \|(.*)\|$", re.MULTILINE)


def _tests_of(file: str) -> set[str]:
    path = ROOT / file
    if not path.is_file():
        return set()
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_row_names_a_test() -> None:
    """Each row once and in order, none without a test."""
    rows = ROW.findall(PAGE)
    assert [int(number) for number, _ in rows] == list(range(1, len(rows) + 1))
    assert len(rows) >= 18
    assert [number for number, row in rows if not NAMED.search(row)] == []


def test_every_test_that_is_named_exists() -> None:
    """A test that was renamed or removed is missed here."""
    named = NAMED.findall(PAGE)
    assert [file for file, _ in named if not (ROOT / file).is_file()] == []
    assert [f"{file}::{name}" for file, name in named if name and name not in _tests_of(file)] == []


def test_the_policy_is_where_people_look_for_it() -> None:
    """SECURITY.md leads to the page, and the page to it."""
    assert "docs/security.md" in (ROOT / "SECURITY.md").read_text()
    assert "../SECURITY.md" in PAGE
