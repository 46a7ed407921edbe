"""What slots that read tables find in a copy of the fork server: the libraries, and nothing that is another slot's."""

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from fanout.slot.child.preimports import goes_unnoticed
from fanout.slot.fork_server import ForkServer

Launch = Callable[..., Any]
WriteScript = Callable[..., Path]
DRAWS = """
import sys
there = {"pandas", "pyarrow.csv", "pyarrow.parquet", "fanout.tables.table_parts"} <= sys.modules.keys()
import numpy as np
def run(mini_batch):
    return [there, np.random.random(), np.random.default_rng().random()]
"""


@pytest.fixture
async def forks() -> AsyncIterator[ForkServer]:
    """A server whose slots read tables."""
    server = ForkServer()
    server.load_tables()
    server.load_tables()  # said again, nothing happens
    yield server
    server.close()


async def test_libraries_are_there_and_random_numbers_are_a_slots_own(
    launch: Launch, write_script: WriteScript, forks: ForkServer
) -> None:
    """No import is left to a slot; but two slots that draw do not draw the same."""
    write_script(DRAWS)
    rows = [(await (await launch(server=forks)).run()).rows.split() for _ in range(2)]
    assert [there for there, *_ in rows] == [b"True", b"True"]
    assert len({number for _, *numbers in rows for number in numbers}) == 4


async def test_a_server_that_is_started_anew_loads_them_again(
    launch: Launch, write_script: WriteScript, forks: ForkServer
) -> None:
    """The next one after a death is told, too."""
    write_script(DRAWS)
    forks.close()
    assert (await (await launch(server=forks)).run()).rows.startswith(b"True\n")


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_DEFAULT_MEMORY_POOL"])
def test_variables_that_the_libraries_look_for_need_an_interpreter_of_its_own(name: str) -> None:
    """They are read when a library is imported, which has happened in a copy."""
    base = {"HOME": "/root"}
    plain, tables = ForkServer(base), ForkServer(base)
    tables._reads_tables = True
    assert plain.serves(sys.executable, {**base, name: "1"})
    assert tables.serves(sys.executable, base)
    assert not tables.serves(sys.executable, {**base, name: "1"})


@pytest.mark.parametrize(
    ("files", "unnoticed"),
    [
        ({}, True),
        ({"helper.py": "", "random.csv": "", "queue/data.txt": ""}, True),
        ({"random.py": ""}, False),
        ({"numpy/__init__.py": ""}, False),
        ({"score.py": 'import os\nos.environ["OPENBLAS_NUM_THREADS"] = "1"\nimport numpy\n'}, False),
        ({"helper.py": 'import os\nos.environ["OMP_NUM_THREADS"] = "1"\n'}, False),
    ],
)
def test_scripts_that_would_notice(write_script: WriteScript, files: dict[str, str], unnoticed: bool) -> None:
    """Modules of their own by the name of what was imported already, and settings that come too late."""
    code = write_script("def run(b): return b\n", files)
    assert goes_unnoticed(code, "score.py") is unnoticed
    assert not goes_unnoticed(code, "elsewhere.py")
