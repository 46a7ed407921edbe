"""Shell completion: commands, options and names of runs, in real shells, and quickly."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BIN = Path(sys.executable).parent
BASH = """
eval "$(fanout completion bash)"
COMP_WORDS=(fanout {words}); COMP_CWORD={number}
_fanout_completion fanout
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = """
autoload -U compinit; compinit -D
eval "$(fanout completion zsh)"
whence -w _fanout_completion
"""


@pytest.fixture
def ran(empty_project: Any) -> Any:
    """A folder with a store that holds the runs `first` and `second`; only their names matter."""
    for name in ("first", "second"):
        empty_project.write(f".fanout/runs/{name}/run.json", "{}")
    return empty_project


def _environ(**more: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", **more}


def _in_bash(folder: Path, *words: str) -> list[str]:
    script = BASH.format(words=" ".join(f"'{word}'" for word in words), number=len(words))
    ended = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=_environ(), capture_output=True, text=True, timeout=60, check=True
    )
    return ended.stdout.split()


def test_in_bash(ran: Any) -> None:
    """Verbs by their beginning, names of runs where a verb takes one, in a folder below the store's, too."""
    assert _in_bash(ran.folder, "re") == ["resume", "redrive", "report"]
    assert sorted(_in_bash(ran.folder, "status", "")) == ["first", "second"]
    assert _in_bash(ran.folder, "resume", "se") == ["second"]
    (ran.folder / "below").mkdir()
    assert _in_bash(ran.folder / "below", "failures", "f") == ["first"]
    assert "--store" in _in_bash(ran.folder, "run", "--st")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_in_other_shells(ran: Any, shell: str) -> None:
    """Their script is one that the shell takes."""
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed")
    script = ZSH if shell == "zsh" else "fanout completion fish | source; complete -C 'fanout resume se'"
    ended = subprocess.run(
        [path, "-c", script], cwd=ran.folder, env=_environ(), capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    assert ("function" if shell == "zsh" else "second") in ended.stdout


@pytest.mark.parametrize(
    ("shell", "asked"),
    [
        ("zsh", {"_TYPER_COMPLETE_ARGS": "fanout resume se"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "fanout resume se", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ],
)
def test_what_other_shells_ask(ran: Any, shell: str, asked: dict[str, str]) -> None:
    """The answer has the name of the run."""
    ended = subprocess.run(
        ["fanout"],
        cwd=ran.folder,
        env=_environ(_FANOUT_COMPLETE=f"complete_{shell}", **asked),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "second" in ended.stdout
    assert "first" not in ended.stdout
    script = ran.fanout("completion", shell)
    assert (script.code, "_FANOUT_COMPLETE" in script.stdout) == (0, True)


def test_a_shell_that_is_not_known(ran: Any) -> None:
    """Is named, with those that are."""
    ended = ran.fanout("completion", "csh")
    assert ended.code == 2
    assert "'bash', 'zsh', 'fish'" in ended.said


def test_a_store_that_is_not_there_has_no_runs(empty_project: Any) -> None:
    """Nothing is printed into a command line, whatever is wrong."""
    assert _in_bash(empty_project.folder, "status", "x", "--store", "nowhere", "--step", "") == []
    empty_project.write("fanout.toml", "store = 7\n")
    assert _in_bash(empty_project.folder, "status", "f") == []


def test_nothing_heavy_is_loaded(ran: Any) -> None:
    """What takes time to import is not needed to answer: the answer is there within the time of --help."""
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", BIN / "fanout"],
        cwd=ran.folder,
        env=_environ(_FANOUT_COMPLETE="complete_bash", COMP_WORDS="fanout status ", COMP_CWORD="2"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert sorted(ended.stdout.split()) == ["first", "second"]
    loaded = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert loaded.isdisjoint({"obstore", "pydantic", "pandas", "pyarrow", "asyncio", "rich", "boto3"})
