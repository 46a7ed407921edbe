"""Words that docstrings, messages and pages do without, as they hide who does what."""

import re
from pathlib import Path

TOP = Path(__file__).parents[2]
VAGUE = re.compile(r"\b(?:whoever|somebody|nobody|told|tale)\b", re.IGNORECASE)
MOST = 20
"""Now and then one of them is the right word; more than so many are a habit."""


def _files() -> list[Path]:
    found = [TOP / "README.md"]
    for folder in ("fanout", "handlers", "docs"):
        for suffix in ("*.py", "*.md", "*.yml", "*.yaml", "*.toml"):
            found += (TOP / folder).rglob(suffix)
    return found


def test_vague_words_are_rare() -> None:
    """The sentence names the sender, the owner or the reader instead: "a node that dies", not "whoever dies"."""
    files = _files()
    assert len(files) > 400
    places = [
        f"{file.relative_to(TOP)}:{number}: {line.strip()}"
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        for _ in VAGUE.findall(line)
    ]
    assert len(places) <= MOST, "\n".join(places)
