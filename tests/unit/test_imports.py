"""House rules that no linter knows: which package may import which, what starts light, how long a module may be."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fanout

PACKAGE = Path(fanout.__file__).parent
ORDER = (
    ("backports", "version"),
    ("errors", "advice", "backoff", "clock", "memory", "tasks"),
    ("security",),
    ("storage",),
    ("files",),
    ("formatting", "log_lines"),
    ("pipeline",),
    ("config",),
    ("records",),
    ("registry",),
    ("code_snapshots",),
    ("environments",),
    ("tables",),
    ("mltable",),
    ("queues",),
    ("planning",),
    ("results",),
    ("output",),
    ("supervision",),
    ("reports",),
    ("slot",),
    ("node",),
    ("engines",),
    ("shell_commands",),
    ("scheduler",),
    ("triggers",),
    ("aws",),
    ("housekeeping",),
    ("queries",),
    ("page",),
    ("telemetry",),
    ("api",),
    ("azure",),
    ("cli",),
    ("testing",),
)
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}
AWS = {"aiobotocore", "boto3", "botocore"}
AWS_ALLOWED = (
    "aws/run_signals.py",
    "aws/stack.py",
    "queues/sqs",
    "storage/credentials.py",
    "storage/multipart.py",
    "storage/open.py",
    "triggers/sources/bucket_notifications.py",
)
HEAVY = ("pydantic", "obstore", "pandas", "pyarrow", "numpy", "yaml", "asyncio", "rich", "typer", "boto3", "sqlite3")
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
ORDERED = [name for name in MODULES if not name.startswith("compat/") and name not in ("__init__.py", "__main__.py")]


def _imported(module: str) -> Iterator[str]:
    """Every module that `module` imports anywhere in it, functions and TYPE_CHECKING included."""
    tree = ast.parse((PACKAGE / module).read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _package_of(dotted: str) -> str | None:
    """`step` of `fanout.records.seal`; None when it is not ours, or of the package itself."""
    root, _, rest = dotted.partition(".")
    first = rest.partition(".")[0]
    return first if root == "fanout" and first in RANK else None


@pytest.mark.parametrize("module", ORDERED)
def test_imports_point_one_way(module: str) -> None:
    """A package imports itself and those below it in the order of the design, never one above."""
    own = module.partition("/")[0].removesuffix(".py")
    assert own in RANK, f"fanout/{module}: give its package a place in ORDER"
    wrong = [name for name in _imported(module) if (found := _package_of(name)) and RANK[found] > RANK[own]]
    assert not wrong


@pytest.mark.parametrize("module", MODULES)
def test_only_the_adapters_know_aws(module: str) -> None:
    """Nothing but the SQS adapter and the store's door imports an AWS library."""
    if not module.startswith(AWS_ALLOWED):
        assert not {name.partition(".")[0] for name in _imported(module)} & AWS


def test_only_the_script_of_functions_unpickles() -> None:
    """That of the run's own code; what sends functions and items writes pickles and reads none."""
    found = {name for name in MODULES if {"pickle", "marshal", "shelve", "dill"} & set(_imported(name))}
    assert found == {"api/functions/script.py"}
    for name in MODULES:
        text = (PACKAGE / name).read_text("utf-8")
        assert "cloudpickle.load" not in text
        assert "import cloudpickle" not in text or name in ("api/functions/code.py", "api/functions/items.py")


@pytest.mark.parametrize("module", MODULES)
def test_modules_stay_short(module: str) -> None:
    """No module has more than 400 lines."""
    assert len((PACKAGE / module).read_text("utf-8").splitlines()) <= 400


def _loaded_by(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_the_python_api_costs_nothing_until_it_is_used() -> None:
    """`import fanout` loads neither a library nor a module of fanout's own but the version."""
    code = "import sys; before = set(sys.modules); import fanout; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    ours = {name for name in done.stdout.split() if name.partition(".")[0] == "fanout"}
    assert ours == {"fanout", "fanout.version"}
    assert not _loaded_by("import fanout") & {*HEAVY, "cloudpickle"}
    assert not _loaded_by("import fanout; dir(fanout); fanout.RunFailed") & {*HEAVY, "cloudpickle"}


def test_the_slot_starts_light() -> None:
    """The process that runs user code loads the standard library and little of fanout, so that it starts fast."""
    assert not _loaded_by("import fanout.slot.child.main") & set(HEAVY)


def test_the_helper_of_entry_scripts_starts_light() -> None:
    """`azureml_user.parallel_run` costs a script nothing but logging."""
    assert not _loaded_by("import azureml_user.parallel_run") & set(HEAVY)


def test_the_pytest_plugin_costs_nothing_unused() -> None:
    """pytest loads the plugin wherever fanout is installed, whether a test uses it or not."""
    added = _loaded_by("import pytest, fanout.testing.plugin") - _loaded_by("import pytest")
    assert {name for name in added if not name.startswith("_")} == {"fanout"}
    assert not _loaded_by("import fanout.testing") & {*HEAVY, "pytest", "moto"}


def test_a_node_starts_without_tables() -> None:
    """A node process over a folder loads neither pandas nor pyarrow, neither pydantic nor an AWS library."""
    loaded = _loaded_by("import fanout.node.standalone")
    assert not loaded & {"pandas", "pydantic", "pyarrow", "numpy", "rich", "typer", "yaml", "psutil", "packaging", *AWS}


def test_a_node_begins_with_what_its_slots_are_copies_of() -> None:
    """The fork server is started before the node itself imports anything that takes long."""
    loaded = _loaded_by("import fanout.node.__main__")
    assert not loaded & {"asyncio", *HEAVY}


def test_a_warm_node_is_started_before_anything_heavy() -> None:
    """What a run needs to start one, besides the checked pipeline: neither asyncio nor obstore nor the run's story."""
    loaded = _loaded_by("import fanout.cli.app, fanout.api.context, fanout.pipeline.load, fanout.engines.node_process")
    assert not loaded & {"asyncio", "obstore", "pydantic", "sqlite3", "rich", *AWS}


def test_options_are_taken_without_pydantic() -> None:
    """typer from 0.29 on loads it for any option at all, which no verb should wait for."""
    loaded = _loaded_by("from fanout.cli import answer; answer(['run', '--set', 'a=1', 'no-such-file.yml'])")
    assert "pydantic" not in loaded


def test_a_run_starts_with_what_it_needs() -> None:
    """Over files, that is neither tables nor commands nor what is installed."""
    said = subprocess.run(
        [
            sys.executable,
            "-P",
            "-c",
            "import fanout.scheduler.resident, fanout.cli.render.run.plain, sys; print(*sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    spared = {"packaging", "psutil", "importlib.metadata", "pydantic", "email", "decimal", "rich"}
    spared |= {
        "fanout.tables.mltable_file",
        "fanout.tables.recipe",
        "fanout.shell_commands.runner",
        "fanout.slot.protocol",
    }
    assert not spared & set(said.stdout.split())
