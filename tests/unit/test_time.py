"""Durations are measured by the clock that only goes forward (fault 14): the machine's time is for people to read."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import fanout

ROOT = Path(fanout.__file__).parent
MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "clock.py")
WALL_CLOCKS = {
    ("time", "time"),
    ("time", "time_ns"),
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
}


def _calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str, str]]:
    """Calls of a method, with the name before the dot and the one after it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
            yield node, name, node.func.attr


def _complaints(source: str) -> list[int]:
    """The lines that ask the system for the time themselves, or that reckon with the time for people."""
    tree = ast.parse(source)
    lines = [call.lineno for call, owner, name in _calls(tree) if (owner, name) in WALL_CLOCKS]
    for node in ast.walk(tree):
        sides = [node.left, node.right] if isinstance(node, ast.BinOp) else []
        sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else sides
        for side in sides:
            lines += [call.lineno for call, _, name in _calls(side) if name == "now"]
    return sorted(set(lines))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_reckons_with_the_time_for_people(path: Path) -> None:
    """Only clock.py asks the system, and what `now` says is neither subtracted nor compared."""
    assert _complaints(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time\nbegun = time.time()",
        "from datetime import UTC, datetime\nx = datetime.now(UTC)",
        "x = self._clock.now() - begun",
        "late = clock.now() > deadline",
        "deadline = 5 + clock.now()",
    ],
)
def test_what_is_forbidden_is_found(source: str) -> None:
    """The rule above can fail."""
    assert _complaints(source)
