"""Pages that are followed: their files are written, their diffs applied, their commands run, in the order of the page.

A block ```python, ```yaml or ```toml after a sentence that ends in "`path`:" is that file. ```diff is applied. Of
```sh each line is run and has to end with 0; "$" and comments go, ".venv/bin/" and "fanout" are those of this suite.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
BLOCK = re.compile(r"^```(?P<kind>[a-z]+)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"`(?P<path>[\w./-]+)`:\s*\Z")
FILES = ("python", "yaml", "toml", "text", "json")


@dataclass(frozen=True)
class Block:
    """One block of a page; `path` is the file that the sentence before it names."""

    kind: str
    body: str
    path: str | None


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page in their order."""
    text = page.read_text()
    for found in BLOCK.finditer(text):
        named = NAMED.search(text[: found.start()])
        yield Block(found["kind"], found["body"], named["path"] if named else None)


def follow(page: Path, folder: Path, environ: Mapping[str, str]) -> list[str]:
    """Does what the page says in `folder`; what each of its commands has printed."""
    printed: list[str] = []
    for block in blocks(page):
        if block.kind == "sh":
            printed += [_run(line, folder, environ) for line in _lines(block.body)]
        elif block.kind == "diff":
            _patch(block.body, folder)
        elif block.kind in FILES and block.path is not None:
            (folder / block.path).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.path).write_text(block.body)
    return printed


def hello(folder: Path) -> None:
    """The smallest pipeline of README.md, with its three names."""
    pipeline, script = [block.body for block in blocks(ROOT / "README.md") if block.kind in ("yaml", "python")][:2]
    for name in ("names", "src"):
        (folder / name).mkdir(parents=True)
    (folder / "pipeline.yml").write_text(pipeline)
    (folder / "src" / "greet.py").write_text(script)
    for name in ("Ada", "Grace", "Katherine"):
        (folder / "names" / f"{name}.txt").write_text(name)


def _lines(body: str) -> list[str]:
    """Commands, of which one may go on in the next line after a backslash."""
    joined = body.replace("\\\n", " ")
    return [line.removeprefix("$ ") for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def _run(line: str, folder: Path, environ: Mapping[str, str]) -> str:
    line = re.sub(r"(?<!\S)\.venv/bin/", f"{shlex.quote(str(BIN))}/", line)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "FANOUT_", "AWS_"))}
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line],
        cwd=folder,
        env={**kept, "PATH": f"{BIN}:{os.environ['PATH']}", **environ},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, f"{line}: exit code {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout + ended.stderr


def _patch(diff: str, folder: Path) -> None:
    """Applies a diff whose hunks begin with "@@" alone: what a hunk expects is in its file once."""
    for part in re.split(r"^--- ", diff, flags=re.MULTILINE)[1:]:
        heading, *hunks = re.split(r"^@@\n", part, flags=re.MULTILINE)
        file = folder / heading.splitlines()[1].removeprefix("+++ b/")
        text = file.read_text()
        for hunk in hunks:
            lines = hunk.splitlines(keepends=True)
            old, new = ("".join(line[1:] or "\n" for line in lines if not line.startswith(sign)) for sign in ("+", "-"))
            assert text.count(old) == 1, f"{file}: not there once: {old}"
            text = text.replace(old, new)
        file.write_text(text)
