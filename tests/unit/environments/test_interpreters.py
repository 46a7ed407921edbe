"""Interpreters that are found, from a home of pyenv and a PATH made for the test."""

import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fanout.environments import interpreters
from fanout.environments.interpreters import Interpreter, find, installed, nearest

OWN = Interpreter(platform.python_version(), sys.executable)
Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts programs in place that say which Python they are, in pyenv or on the PATH."""
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(interpreters, "NEWEST_MINOR", 10)
    installed.cache_clear()

    def put(version: str, *, says: str = "", on_path: str = "") -> Path:
        path = tmp_path / "bin" / on_path if on_path else tmp_path / "pyenv" / "versions" / version / "bin" / "python"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{says or f'echo {version} cpython'}\n")
        path.chmod(0o755)
        return path

    yield put
    installed.cache_clear()


def test_all_are_found_but_what_is_none(install: Install) -> None:
    """This one first, then from new to old; no other implementation, no Python 2, nothing that does not start."""
    older, newer = install("3.8.18"), install("3.9.7", on_path="python3.9")
    install("3.6.1", says="echo 3.6.1 pypy")
    install("2.7.18", says="echo 2.7.18 cpython")
    install("3.7.0", says="exit 127")
    install("3.5.0", says="echo hello")
    assert installed() == (OWN, Interpreter("3.9.7", str(newer)), Interpreter("3.8.18", str(older)))


def test_the_one_that_is_asked_for(install: Install) -> None:
    """This one where it will do, else the newest; in place of one micro version another of the same minor one."""
    path = install("3.8.18")
    install("3.8.2")
    there = Interpreter("3.8.18", str(path))
    assert find(">=3.8") == OWN
    assert find("==3.8.*") == there
    assert find("==3.8.*,>=3.8") == there
    assert find("==3.8.7.*") == find("==3.8.7") == find("==3.8.7.*,>=3.8") == there
    assert find("==3.8.2") != there
    assert find("==3.9.*") is None
    assert find("<3.8") is None


def test_the_nearest(install: Install) -> None:
    """By minor version, and never older than what will do."""
    install("3.8.18")
    install("3.6.15")
    assert nearest("==3.6.*", (3, 8)) == nearest("==3.7.6.*", (3, 8)) == find("==3.8.*")
    assert nearest("==3.99.*", (3, 8)) == OWN
    assert nearest("==3.6.*", (3,)) == find("==3.6.*")
    assert nearest("==3.6.*", (3, 99)) is None


def test_no_other_is_started_where_this_one_will_do(install: Install, tmp_path: Path) -> None:
    """Looking at the others takes a while, and most files ask for no other."""
    install("3.8.18", says=f"touch {tmp_path / 'started'}; echo 3.8.18 cpython")
    assert find(f"=={platform.python_version()}") == OWN
    assert not (tmp_path / "started").exists()
