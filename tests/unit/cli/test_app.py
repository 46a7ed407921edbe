import subprocess
import sys
from typing import Any

import pytest

import fanout as package

VERBS = (
    *("run", "validate", "plan", "schema", "resume", "redrive", "cancel", "status", "failures", "list", "logs", "node"),
    *("deploy", "destroy", "init", "completion"),
)
HEAVY = {"asyncio", "obstore", "pydantic", "rich", "yaml", "pandas", "pyarrow", "sqlite3", "boto3"}


def test_help_names_every_verb(fanout: Any) -> None:
    """Each with a sentence that is not cut off."""
    said = fanout("--help")
    assert said.code == 0
    for verb in VERBS:
        assert f"\n  {verb} " in said.out
    assert "..." not in said.out.partition("Commands:")[2]


def test_help_loads_nothing_that_takes_long() -> None:
    """What a verb needs is imported when it is carried out."""
    code = f"import sys, fanout.cli; fanout.cli.answer(['--help']); print({HEAVY!r} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_version(fanout: Any) -> None:
    """The installed version, alone."""
    assert fanout("--version").out == f"fanout {package.__version__}\n"


@pytest.mark.parametrize("arguments", [(), ("rum",), ("run",), ("list", "--last", "0"), ("node", "r", "--bogus")])
def test_a_wrong_command_line_is_the_users_mistake(fanout: Any, arguments: tuple[str, ...]) -> None:
    """Exit code 2, and no traceback."""
    said = fanout(*arguments)
    assert said.code == 2
    assert "Traceback" not in said.err


def test_the_installed_command_ends_with_its_exit_code() -> None:
    """Also as `python -m fanout`: the answer's code is the process's."""
    done = subprocess.run([sys.executable, "-m", "fanout", "validate", "nowhere.yml"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "nowhere.yml:1:1: cannot be read: No such file or directory\n"
