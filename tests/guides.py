"""Pages that are followed: their files are written, their diffs applied, their commands run, in the order of the page.

A block ```python, ```yaml or ```toml after a sentence that ends in "`path`:" is that file. ```diff is applied. Of
```sh each line is run and has to end with 0, or as a comment "# exit code 1" says; one that ends in "&" runs beside the
others; "export" holds for the lines after it. ".venv/bin/" and "fanout" are those of this suite.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
BLOCK = re.compile(r"^```(?P<kind>[a-z]+)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"`(?P<path>[\w./-]+)`:\s*\Z")
CODE = re.compile(r"\s+# exit code (\d+)$")
FILES = ("python", "yaml", "toml", "text", "json")
LIMIT = 300
"""Seconds that a command may take on a loaded machine."""


@dataclass(frozen=True)
class Block:
    """One block of a page; `path` is the file that the sentence before it names."""

    kind: str
    body: str
    path: str | None


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a page in their order."""
    for found in BLOCK.finditer(text):
        named = NAMED.search(text[: found.start()])
        yield Block(found["kind"], found["body"], named["path"] if named else None)


@dataclass
class Shell:
    """Where a page is followed: a folder, variables, and what runs beside."""

    folder: Path
    environ: dict[str, str]
    before: Callable[[str], None]
    beside: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def run(self, line: str) -> str | None:
        """What the line has printed; None when it runs beside the lines after it."""
        self.before(line)
        if line.startswith("export "):
            self.environ.update(word.split("=", 1) for word in shlex.split(line)[1:])  # type: ignore[arg-type]
            return None
        expected = int(found[1]) if (found := CODE.search(line)) else 0
        command = re.sub(r"(?<!\S)\.venv/bin/", f"{shlex.quote(str(BIN))}/", CODE.sub("", line))
        if command.endswith(" &"):
            self.beside[line] = subprocess.Popen(
                ["bash", "-euc", f"exec {command[:-2]}"], cwd=self.folder, env=self._all, start_new_session=True
            )
            return None
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env=self._all,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        assert ended.returncode == expected, f"{line}: exit code {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout + ended.stderr

    @property
    def _all(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "FANOUT_", "AWS_"))}
        return {**kept, "PATH": f"{BIN}:{os.environ['PATH']}", **self.environ}


@contextmanager
def shell(folder: Path, environ: Mapping[str, str], before: Callable[[str], None] | None = None) -> Iterator[Shell]:
    """A shell in `folder`; `before` is called with each line before it is run. In the end nothing runs beside."""
    with ExitStack() as stack:
        made = Shell(folder, dict(environ), before or (lambda _: None))

        def end() -> None:
            for process in made.beside.values():
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

        stack.callback(end)
        yield made


def follow(text: str, into: Shell) -> list[str]:
    """Does what the page says; what each of its commands has printed, without those that run beside."""
    printed: list[str] = []
    for block in blocks(text):
        if block.kind == "sh":
            printed += [out for line in lines(block.body) if (out := into.run(line)) is not None]
        elif block.kind == "diff":
            _patch(block.body, into.folder)
        elif block.kind in FILES and block.path is not None:
            file = into.folder / block.path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.body)
    return printed


def smallest_pipeline() -> str:
    """The section of README.md from which the tests take their first pipeline."""
    return (ROOT / "README.md").read_text().partition("\n## The smallest pipeline\n")[2].partition("\n## ")[0]


def hello(folder: Path) -> None:
    """The smallest pipeline of README.md, with its three names."""
    found = [block.body for block in blocks(smallest_pipeline()) if block.kind in ("yaml", "python")]
    for name in ("names", "src"):
        (folder / name).mkdir(parents=True)
    (folder / "pipeline.yml").write_text(found[0])
    (folder / "src" / "greet.py").write_text(found[1])
    for name in ("Ada", "Grace", "Katherine"):
        (folder / "names" / f"{name}.txt").write_text(name)


def lines(body: str) -> list[str]:
    """Commands, of which one may go on in the next line after a backslash."""
    joined = re.sub(r"\\\n\s*", "", body)
    return [line.strip() for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def _patch(diff: str, folder: Path) -> None:
    """Applies a diff whose hunks begin with "@@" alone: what a hunk expects is in its file once."""
    for part in re.split(r"^--- ", diff, flags=re.MULTILINE)[1:]:
        heading, *hunks = re.split(r"^@@\n", part, flags=re.MULTILINE)
        file = folder / heading.splitlines()[1].removeprefix("+++ b/")
        text = file.read_text()
        for hunk in hunks:
            rows = hunk.splitlines(keepends=True)
            old, new = ("".join(row[1:] or "\n" for row in rows if not row.startswith(sign)) for sign in ("+", "-"))
            assert text.count(old) == 1, f"{file}: not there once: {old}"
            text = text.replace(old, new)
        file.write_text(text)
