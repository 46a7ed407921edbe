"""Commands that messages recommend: composed in one place only, and each with a test that runs it."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import fanout
from fanout.advice import Commands, advise_with, advised

PACKAGE = Path(fanout.__file__).parent
VERBS = (
    "run|attach|validate|plan|resume|redrive|cancel|status|failures|run-one|list|logs|watch|trigger|assets|node|deploy"
    "|destroy|init|completion"
)
COMMAND = re.compile(rf"(?<![\w/-])fanout (?:{VERBS})\b")
NO_ADVICE = {
    "api/new_project.py": "the files of a new project, whose commands tests/e2e/cli/test_init.py runs",
    "cli/commands/run_one.py": "shows how run-one is typed",
    "triggers/sources/webhook.py": "the answer to a GET: what is there",
    "testing/plugin.py": "the title of a section of a report",
    "testing/runner.py": "what was run",
}
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
CASES = Path(__file__).parent.parent / "e2e" / "cli" / "test_advice.py"


def _texts(tree: ast.Module) -> Iterator[str]:
    """The texts of a module that are no docstrings."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


@pytest.mark.parametrize("module", [name for name in MODULES if name not in NO_ADVICE])
def test_commands_are_composed_in_one_place(module: str) -> None:
    """No message spells a command of its own: it would lack options that find the run, and a test that runs it."""
    found = [text for text in _texts(ast.parse((PACKAGE / module).read_text("utf-8"))) if COMMAND.search(text)]
    assert not found, "take it from fanout.advice"


def test_each_command_has_a_case() -> None:
    """A command that is added without a test of the situation in which it is recommended fails here."""
    tree = ast.parse(CASES.read_text())
    recommended = {name for name, _ in inspect.getmembers(Commands, inspect.isfunction) if not name.startswith("_")}
    told: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "recommends":
                    told |= {ast.literal_eval(argument) for argument in decorator.args}
    assert {name.partition(" ")[0] for name in told} == recommended


def test_commands_can_be_copied() -> None:
    """Each names all that it needs, quoted for the shell."""
    assert Commands().status("r") == "fanout status r"
    assert Commands(("--store", "/my runs")).resume("r") == "fanout resume r --store '/my runs'"
    assert Commands().logs("r", "s", 0, "process001") == "fanout logs r --step s --node 0 --process process001"
    assert Commands().logs("r", "s") == "fanout logs r --step s"
    assert Commands().redrive("r", new_code=True) == "fanout redrive r --new-code"
    assert Commands(folder="/my pipe").run("/x/p.yml") == "cd '/my pipe' && fanout run /x/p.yml"


def test_messages_have_the_options_of_the_command_line() -> None:
    """Code that does not know how it was called asks here."""
    advise_with(lambda: Commands(("--store", "x")))
    try:
        assert advised().status("r") == "fanout status r --store x"
    finally:
        advise_with(Commands)
