"""The contract of entry scripts, piece by piece; `test_child` shows it in a real slot."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.errors import EntryScriptError
from fanout.slot.child import entry_script
from fanout.slot.child.entry_script import MiniBatchContext, check_result, exit_reason, load, one_line, user_traceback

WriteScript = Callable[..., Path]
WRAPPED = """
import functools
def said(run):
    @functools.wraps(run)
    def wrapper(*arguments): return run(*arguments)
    return wrapper
@said
def run(batch): return None
"""


@pytest.fixture(autouse=True)
def _as_in_a_slot(code: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The code folder is on the import path; modules that a test loads are gone after it."""
    monkeypatch.syspath_prepend(str(code))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(code) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_only_run_is_needed(write_script: WriteScript, code: Path) -> None:
    """init() and shutdown() do nothing where a script has none, or has something else under that name."""
    write_script("init = 5\ndef run(batch): return [len(batch)]\n")
    script = load("score.py", str(code))
    assert (script.init(), script.shutdown()) == (None, None)
    assert script.run([1, 2], MiniBatchContext(0)) == [2]


@pytest.mark.parametrize(
    ("definition", "second"),
    [
        ("def run(batch): return None", None),
        ("def run(batch, context): return context", 7),
        ("def run(batch, /, anything=None): return anything", 7),
        ("def run(*args): return args[1]", 7),
        ("def run(batch, **kwargs): return kwargs.get('context')", None),
        ("def run(batch, *, context=None): return context", None),
        ("class R:\n    def run(self, batch, context): return context\nrun = R().run", 7),
        (WRAPPED, None),
    ],
)
def test_the_context_goes_to_those_who_take_it(
    write_script: WriteScript, code: Path, definition: str, second: int | None
) -> None:
    """A second positional place gets it, under any name; keywords do not (reference, section 6)."""
    write_script(definition + "\n")
    found = load("score.py", str(code)).run([], MiniBatchContext(7))
    assert (found and found.minibatch_index) == second


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("gone.py", "there is no gone.py in the code folder"),
        ("sub/gone.py", "there is no sub/gone.py"),
        ("notes.txt", "notes.txt is not a Python file"),
        ("empty.py", "empty.py has no function run"),
    ],
)
def test_scripts_that_are_none(write_script: WriteScript, code: Path, name: str, word: str) -> None:
    """The error says what was looked for, and where."""
    write_script("", {"notes.txt": "", "empty.py": ""})
    with pytest.raises(EntryScriptError, match=word):
        load(name, str(code))


@pytest.mark.parametrize(
    ("head", "problem"),
    [("run()", "no"), ("run(*, batch)", "no"), ("run(batch, context, more)", "3")],
)
def test_a_run_that_cannot_be_called(write_script: WriteScript, code: Path, head: str, problem: str) -> None:
    """It is told before any mini-batch is read."""
    write_script(f"def {head}: return []\n")
    with pytest.raises(EntryScriptError, match=rf"run\(\) of score.py takes {problem} arguments"):
        load("score.py", str(code))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("['--x']", "sys.exit(2), as argparse found: argument --x: expected one argument"),
        (
            "['--y', '1']",
            "sys.exit(2), as argparse found: unrecognized arguments: --y 1; parse_known_args() leaves them alone",
        ),
    ],
)
def test_what_argparse_only_prints_is_told(write_script: WriteScript, code: Path, arguments: str, message: str) -> None:
    """An exit code alone would send people to the logs."""
    write_script(
        "import argparse\n"
        "def run(batch): return []\n"
        "def init():\n"
        "    parser = argparse.ArgumentParser()\n"
        "    parser.add_argument('--x')\n"
        f"    parser.parse_args({arguments})\n"
    )
    with pytest.raises(SystemExit) as caught:
        load("score.py", str(code)).init()
    assert exit_reason(caught.value) == f"the script called {message}"


def test_a_script_does_not_take_the_place_of_a_library(write_script: WriteScript, code: Path) -> None:
    """Named like a module that others import, it goes by another name; its own name is its own otherwise."""
    script = "def run(b): return [__name__]\n"
    write_script("", {"json.py": script, "a_name_of_its_own.py": script})
    import json

    assert load("json.py", str(code)).run([], MiniBatchContext(0)) == ["entry_script_json"]
    assert sys.modules["json"] is json
    assert load("a_name_of_its_own.py", str(code)).run([], MiniBatchContext(0)) == ["a_name_of_its_own"]


@given(st.lists(st.integers()) | st.tuples(st.text(), st.text()) | st.builds(bytearray, st.just(b"")).map(lambda _: []))
def test_the_length_is_the_number_of_items(result: Any) -> None:
    """One element for each item that was handled."""
    assert check_result(result) == len(result)


@pytest.mark.parametrize("result", [None, 0, "abc", b"a", bytearray(b"a"), {"a": 1}, {1}, frozenset(), iter([]), len])
def test_what_cannot_be_counted(result: Any) -> None:
    """The error names what came and what would be right."""
    with pytest.raises(EntryScriptError, match=rf"one element per item.*it returned {type(result).__name__}"):
        check_result(result)


def test_a_long_return_is_shown_in_short() -> None:
    """The reason of a failure stays readable."""
    with pytest.raises(EntryScriptError) as caught:
        check_result("x" * 100_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("a\n b\t c"), "ValueError: a b c"),
        (ValueError(), "ValueError"),
        (KeyError("k"), "KeyError: 'k'"),
        (ExceptionGroup("two", [ValueError("a"), TypeError()]), "ExceptionGroup: two (2 sub-exceptions)"),
    ],
)
def test_an_error_in_one_line(error: BaseException, text: str) -> None:
    """Its type, and what it says."""
    assert one_line(error) == text


def test_tracebacks_show_causes_and_groups_without_our_frames(write_script: WriteScript, code: Path) -> None:
    """Every error of a chain keeps the script's frames; ours are in none of them."""
    write_script(
        """
        from fanout.slot.child.entry_script import check_result
        def inner(): check_result(None)
        def run(batch):
            try:
                inner()
            except Exception as exc:
                raise ExceptionGroup("several", [exc, ValueError("b")]) from exc
        """
    )
    with pytest.raises(ExceptionGroup) as caught:
        load("score.py", str(code)).run([], MiniBatchContext(0))
    shown = user_traceback(caught.value)
    assert "in inner" in shown
    assert "direct cause" in shown
    assert "ValueError: b" in shown
    assert entry_script.OURS not in shown


def test_a_long_traceback_keeps_both_ends() -> None:
    """What happened first and last is what people look for."""
    shown = user_traceback(ValueError("begin" + "x" * 100_000 + "end"))
    assert shown.startswith("ValueError: begin")
    assert shown.rstrip().endswith("end")
    assert "characters left out" in shown
    assert len(shown) <= entry_script.TRACEBACK_LIMIT + 100
