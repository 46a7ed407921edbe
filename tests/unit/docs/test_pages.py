"""The pages of the documentation: their links lead somewhere, README lists each of them."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import fanout

ROOT = Path(__file__).parents[3]
DOCS = sorted(ROOT.glob("docs/**/*.md"))
TOP = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
PAGES = [*TOP, *DOCS, *sorted(ROOT.glob("examples/*/README.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


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


def test_the_design_lists_every_decision() -> None:
    """Section 13 has a row for each record in docs/adr, by number and title."""
    rows = re.findall(
        r"^\| \[(\d+)\]\((adr/[\w-]+\.md)\) \| (.*) \|$", (ROOT / "docs" / "design.md").read_text(), re.MULTILINE
    )
    records = [(path, path.read_text().partition("\n")[0]) for path in sorted((ROOT / "docs" / "adr").iterdir())]
    assert [(f"docs/{path}", f"# {number}. {title}") for number, path, title in rows] == [
        (str(path.relative_to(ROOT)), heading) for path, heading in records
    ]


def _first_sentence(page: Path) -> str:
    """The first sentence below the title, in one line; of links the text."""
    paragraph = next(part for part in page.read_text().split("\n\n")[1:] if not part.startswith("#"))
    found = re.match(r".+?\.(?=\s|$)", " ".join(paragraph.split()))
    assert found is not None, page
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", found[0])


@pytest.mark.parametrize(
    "page", [str(page.relative_to(ROOT)) for page in [*DOCS, ROOT / "CONTRIBUTING.md"] if page.parent.name != "adr"]
)
def test_readme_lists_every_page_with_its_first_sentence(page: str) -> None:
    """Which says what the page is for. Results of benchmarks are part of their page, decisions of the design."""
    if page == "docs/benchmarks/results.md":
        return
    sentence = _first_sentence(ROOT / page)
    assert sentence.startswith("This page ")
    readme = " ".join((ROOT / "README.md").read_text().partition("\n## Documentation\n")[2].split())
    assert f"]({page}): {sentence.removeprefix('This page ')}" in readme


def _is_there(dotted: str) -> bool:
    """Whether this is a package or module of fanout, or a name that a module defines."""
    parts = dotted.removeprefix("fanout.").split(".")
    for end in range(len(parts), 0, -1):
        place = (ROOT / "fanout").joinpath(*parts[:end])
        if place.is_dir() or place.with_suffix(".py").is_file():
            file = place.with_suffix(".py") if place.with_suffix(".py").is_file() else place / "__init__.py"
            return end == len(parts) or re.search(rf"\b{parts[end]}\b", file.read_text()) is not None
    return parts[0] in fanout.__all__


def _named() -> Iterator[tuple[str, str]]:
    """The modules and names of fanout that pages mention; guides make new ones."""
    for page in PAGES:
        if page.parent.name != "how-to":
            text = page.read_text()
            paths = re.findall(r"`((?:[\w-]+/)+[\w-]+\.py)(?:::\w+)?`", text)
            dotted = re.findall(r"`(fanout(?:\.[a-z]\w*)+(?:\.\w+)?)[`(]", text)
            for name in dict.fromkeys([*paths, *dotted]):
                if not name.startswith("src/"):  # of a user
                    yield str(page.relative_to(ROOT)), name


@pytest.mark.parametrize(("page", "name"), list(_named()))
def test_modules_that_pages_name_exist(page: str, name: str) -> None:
    """By their path, below the repository or below fanout, or by their dotted name."""
    if name.endswith(".py"):
        assert (ROOT / name).is_file() or (ROOT / "fanout" / name).is_file()
    elif name != "fanout.toml":
        assert _is_there(name)
