"""Tables of fanout.toml as dataclasses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from fanout.config.typed_table import typed
from fanout.errors import SettingsError


@dataclass(frozen=True)
class Range:
    max: int
    min: int = 0


@dataclass(frozen=True)
class Table:
    hosts: tuple[str, ...]
    nodes: int | Range | None = None
    grace: float = 30.0
    words: Mapping[str, str] = field(default_factory=dict)
    anything: Mapping[str, Any] = field(default_factory=dict)


def test_values_become_what_the_fields_say() -> None:
    """Lists are tuples, whole numbers are numbers, tables are dataclasses."""
    content = {"hosts": ["a", "b"], "nodes": {"max": 3}, "grace": 5, "words": {"A": "1"}, "anything": {"x": [1, {}]}}
    assert typed(Table, content, "x") == Table(("a", "b"), Range(3), 5.0, {"A": "1"}, {"x": [1, {}]})
    assert typed(Table, {"hosts": [], "nodes": 4}, "x") == Table((), 4)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({}, "x.hosts: is needed"),
        ({"hosts": "a"}, "x.hosts: expected a list of texts, found 'a'"),
        ({"hosts": [1]}, "x.hosts: expected a list of texts, found [1]"),
        ({"hosts": [], "nodse": 1}, "x.nodse: unknown key; did you mean 'nodes'?"),
        ({"hosts": [], "nodes": True}, "x.nodes: expected a whole number or a table, found True"),
        (
            {"hosts": [], "nodes": {"most": 1}},
            "x.nodes.most: unknown key; there is 'max' or 'min'\nx.nodes.max: is needed",
        ),
        ({"hosts": [], "words": {"A": 1}}, "x.words: expected a table, found {'A': 1}"),
        ({"hosts": [], "grace": "5"}, "x.grace: expected a number, found '5'"),
    ],
)
def test_every_key_that_is_wrong_is_named(content: dict[str, object], sentence: str) -> None:
    """With its path, and what would be right."""
    with pytest.raises(SettingsError) as wrong:
        typed(Table, content, "x")
    assert str(wrong.value) == sentence
