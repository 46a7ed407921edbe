"""The pages of the documentation: their links lead somewhere, their folders stay small, README lists each of them."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = sorted(ROOT.glob("docs/**/*.md"))
TOP = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
PAGES = [*TOP, *DOCS, *sorted(ROOT.glob("examples/*/README.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
MOST_IN_A_FOLDER = 18


def _prose(text: str) -> str:
    """The text without its blocks and spans of code, where brackets are no links."""
    return re.sub(r"`[^`\n]*`", "``", BLOCK.sub("", text))


def _links() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for target in dict.fromkeys(LINK.findall(_prose(page.read_text()))):
            if "://" not in target and not target.startswith("mailto:"):
                yield str(page.relative_to(ROOT)), target


@cache
def _anchors(page: Path) -> frozenset[str]:
    """The anchors of the headings as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", page.read_text()), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


@pytest.mark.parametrize(("page", "target"), list(_links()))
def test_links_lead_somewhere(page: str, target: str) -> None:
    """To a file or a folder of the repository, and to a heading that it has."""
    file, _, anchor = target.partition("#")
    there = (ROOT / page).parent / file if file else ROOT / page
    assert there.exists()
    if anchor:
        assert anchor in _anchors(there.resolve())


def test_there_are_many_links() -> None:
    """The pattern finds what it is for."""
    assert len(list(_links())) > 60


def test_folders_of_pages_stay_small() -> None:
    """A reader sees at once what a folder has; the records of decisions are numbered and come one by one."""
    for folder in {page.parent for page in DOCS} - {ROOT / "docs" / "adr"}:
        assert len([path for path in folder.iterdir() if path.is_file()]) <= MOST_IN_A_FOLDER
