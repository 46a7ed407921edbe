"""docs/ARCHITECTURE.md: the modules and packages that it names exist, and the way of a mini-batch stays short."""

import re
from pathlib import Path

from tests.unit.test_imports import ORDER

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
MODULE = re.compile(r"`([\w/]+\.py)`")
MOST_MODULES = 40
DIAGRAMS = ("A mini-batch", "A step", "A run", "A slot")


def _section(heading: str) -> str:
    return re.split(r"^## ", PAGE.partition(f"\n## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def test_the_way_of_a_mini_batch_is_short() -> None:
    """From pipeline.yml to the verdict at most 40 modules have to be known."""
    named = set(MODULE.findall(_section("The way of one mini-batch")))
    assert 25 < len(named) <= MOST_MODULES


def test_every_module_that_is_named_exists() -> None:
    """Below fanout, or, with its folder, in the repository."""
    named = set(MODULE.findall(PAGE))
    assert {name for name in named if not (ROOT / "fanout" / name).is_file() and not (ROOT / name).is_file()} == set()


def test_the_map_has_every_package_in_the_order_of_imports() -> None:
    """A row for each rank, from the lowest to the highest."""
    rows = re.findall(r"^\| (`[^|]+) \|", _section("Code map"), re.MULTILINE)
    assert [tuple(re.findall(r"`(\w+)`", row)) for row in rows] == list(ORDER)


def test_there_is_a_diagram_of_each_kind_of_object() -> None:
    """In a language that GitHub draws, each with a beginning."""
    for name in DIAGRAMS:
        part = PAGE.partition(f"\n### {name}\n")[2].partition("\n#")[0]
        assert "```mermaid\nstateDiagram-v2\n" in part
        assert "[*] -->" in part
