"""docs/GLOSSARY.md: each term is there once, and what is said to be its name in the code is one."""

import importlib
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[3] / "docs" / "GLOSSARY.md").read_text()
ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| (?:`([\w.]+)`|—) \|$", re.MULTILINE)
ROWS = [row for row in ROW.findall(PAGE) if row[0] != "term"]


def test_every_row_is_read() -> None:
    """No row escapes the checks by its spelling."""
    assert len(ROWS) == sum(line.startswith("| ") and not line.startswith("| term ") for line in PAGE.splitlines()) > 50


def test_each_term_stands_once() -> None:
    """One word for one thing."""
    terms = [term for term, *_ in ROWS]
    assert len(set(terms)) == len(terms)


@pytest.mark.parametrize("name", sorted({row[3] for row in ROWS if row[3]}))
def test_code_names_exist(name: str) -> None:
    """A module of fanout, and a name in it."""
    module, _, symbol = name.rpartition(".")
    assert hasattr(importlib.import_module(module), symbol)
