"""What is said of an entry script before anything runs, and what is not said of scripts that are fine."""

from pathlib import Path

import pytest

from fanout.pipeline.steps.entry_script import script_problems


def _said(folder: Path, script: str, **beside: str) -> list[str]:
    (folder / "score.py").write_text(script)
    for name, text in beside.items():
        (folder / f"{name}.py").write_text(text)
    return [f"{p.place}: {p.message}".removeprefix(f"{folder}/") for p in script_problems(folder, "score.py")]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("def run(mini_batch)\n    return []\n", "score.py:1:20: SyntaxError: expected ':'"),
        ("def run(mini_batch):\nreturn []\n", "score.py:2:1: IndentationError: expected an indented block"),
        ("return 1\n", "score.py:1:1: SyntaxError: 'return' outside function"),
        ("def run(b): return [\0]", "score.py:1:1: "),
        ("import os\n", "score.py:1:1: has no function run(mini_batch), which is called for each mini-batch"),
        ("", "score.py:1:1: has no function run(mini_batch)"),
        ("def rum(mini_batch): return []\n", "mini-batch; did you mean 'rum'?"),
        ("class A:\n    def run(self, b): return b\n", "has no function run(mini_batch)"),
        ("def f():\n    def run(b): return b\n", "has no function run(mini_batch)"),
        ("import os\ndef run(): return []\n", "score.py:2:1: run() takes no arguments; it is given the mini-batch"),
        ("def run(a, b, c): return a\n", "score.py:1:1: run() takes 3 arguments; it is given the mini-batch, and the"),
        ("def run(a, *, depth): return a\n", "run() needs depth=, which it is not given; give it a default"),
        ("def run(*, a): return a\n", "run() takes no arguments"),
        ("async def run(a): return a\n", "score.py:1:1: run() is a coroutine, which is not awaited"),
        ("def run(a):\n    for x in a:\n        yield x\n", "run() is a generator; return a list"),
    ],
)
def test_what_keeps_it_from_running(tmp_path: Path, script: str, said: str) -> None:
    """Each with file, line and column, and what mends it."""
    [problem] = _said(tmp_path, script)
    assert said in problem


@pytest.mark.parametrize(
    "script",
    [
        "def run(mini_batch): return mini_batch\n",
        "def run(mini_batch, context): return mini_batch\n",
        "def run(a, b=1, c=2): return a\n",
        "def run(*args): return args[0]\n",
        "def run(a, *, depth=1): return a\n",
        "run = lambda mini_batch: mini_batch\n",
        "run: object = len\n",
        "from library import run\n",
        "from library import score as run\n",
        "from library import *\n",
        "import run\n",
        "if True:\n    def run(a): return a\nelse:\n    def run(a, b, c): return a\n",
        "try:\n    from fast import run\nexcept ImportError:\n    def run(a): return a\n",
        "with open('x') as run: pass\n",
        "def init():\n    global run\n    run = len\n",
        "globals()['run'] = len\n",
        "exec('def run(a): return a')\n",
        "import sys\nsys.modules[__name__].__dict__['run'] = len\n",
        "@decorated\ndef run(a, b, c): return a\n",
        "def run(a):\n    def inner():\n        yield 1\n    return list(inner())\n",
        "def run(a):\n    return [x for x in a]\n",
        "# -*- coding: latin-1 -*-\ndef run(a): return a\n",
        "def run(a): return '\\d'\n",
    ],
)
def test_nothing_is_said_of_what_may_run(tmp_path: Path, script: str) -> None:
    """Only what is certain is a problem."""
    assert _said(tmp_path, script) == []


def test_nothing_is_executed(tmp_path: Path) -> None:
    """Looking at a script has no effect."""
    mark = tmp_path / "ran"
    assert _said(tmp_path, f"open({str(mark)!r}, 'w')\ndef run(a): return a\n") == []
    assert not mark.exists()


def test_modules_beside_it_are_looked_at(tmp_path: Path) -> None:
    """Those that are imported as soon as it is loaded; what is imported within try, or later, may be meant so."""
    good = "import helper\nfrom helper import f\ndef run(a): return a\n"
    [problem] = _said(tmp_path, good, helper="import deeper\n", deeper="def f(:\n")
    assert problem.startswith("deeper.py:1:7: SyntaxError: ")
    assert _said(tmp_path, "try:\n    import deeper\nexcept Exception: pass\ndef run(a):\n    import deeper\n") == []
    assert _said(tmp_path, good, helper="import score\n") == [], "a circle"


def test_hostile_scripts_cost_nothing(tmp_path: Path) -> None:
    """Too deep, too large, a folder, or not there: nothing is said, and nothing breaks."""
    assert _said(tmp_path, "(" * 100_000) is not None
    assert _said(tmp_path, "x = " + "-" * 200_000 + "1") is not None
    (tmp_path / "folder.py").mkdir()
    assert list(script_problems(tmp_path, "folder.py")) == []
    assert list(script_problems(tmp_path, "absent.py")) == []
