"""Every fanout command that README and docs show is one that the command line takes, options and all."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from fanout.cli.app import app

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/README.md")])
IN_BLOCK = re.compile(r"^(?:    |\$ |[A-Z_]+=\S+ )+(?:[A-Z_]+=\S+ )*(fanout [a-z].*)$")
IN_TEXT = re.compile(r"`(?:[A-Z_]+=\S+ )*(fanout [a-z-]+[^`]*)`")
VALUES = {"N": "3", "SHELL": "bash"}
"""Words that stand for one of few values."""
# The verb that docs/how-to/add-verb.md adds, and a command that stands for many.
NO_COMMAND = ("fanout run …", "fanout outputs", "fanout outputs [RUN]")


def _commands(page: Path) -> Iterator[str]:
    text = re.sub(r"\\\n\s*", "", page.read_text())  # a command may go on in the next line
    for block in re.findall(r"^```[a-z]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield from re.findall(r"^(?:\$ )?(fanout [a-z].*)$", block, re.MULTILINE)
    for line in text.splitlines():
        if (found := IN_BLOCK.match(line)) is not None:
            yield found[1]
    yield from (" ".join(found.split()) for found in IN_TEXT.findall(text))


def _shown() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for command in dict.fromkeys(_commands(page)):
            if command not in NO_COMMAND:
                yield str(page.relative_to(ROOT)), command


def _words(command: str) -> list[str]:
    """The words of a command; what pipes and comments follow is left out, names that stand for a number are one."""
    words = shlex.split(command.replace("…", "x"), comments=True)[1:]
    for at, word in enumerate(words):
        if word in ("|", ">", "&&", "&", ";"):
            words = words[:at]
            break
    return [VALUES.get(word, word.strip("[]")) for word in words]


def _refusal(words: list[str]) -> str | None:
    """What the command line has against these words; None when it takes them. Nothing is carried out."""
    if words == ["--help"]:
        return None
    found: Any = typer.main.get_command(app)
    context = typer.Context(found, info_name="fanout")
    while hasattr(found, "get_command") and words:  # a group, of whichever click typer brings
        verb, *words = words
        found = found.get_command(context, verb)
        if found is None:
            return f"there is no verb {verb}"
    if not words or "--help" in words:
        return None
    try:
        found.make_context(found.name, words)
    except Exception as error:  # noqa: BLE001 - typer brings a click of its own, with its own classes
        if type(error).__name__ == "MissingParameter" and all(word.startswith("-") for word in words):
            return None  # options without the arguments, in a sentence, are only named
        return str(error)
    return None


@pytest.mark.parametrize(("page", "command"), list(_shown()))
def test_the_command_line_takes_it(page: str, command: str) -> None:
    """Verb, options, and how many arguments there are."""
    refusal = _refusal(_words(command))
    assert refusal is None, f"{page}: {command}: {refusal}"


@pytest.mark.parametrize("command", ["fanout go", "fanout run p.yml --nosuch", "fanout run a b", "fanout trigger go x"])
def test_what_there_is_not_is_found(command: str) -> None:
    """The test above would see it."""
    assert _refusal(_words(command)) is not None


def test_there_are_many() -> None:
    """The patterns above find what they are for."""
    assert len(list(_shown())) > 60
