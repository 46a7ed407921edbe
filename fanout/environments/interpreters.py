"""The Python interpreters that environments can be made with: this one, those on PATH and those of pyenv."""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from packaging.version import InvalidVersion, Version

from fanout.environments.compare import allows

NEWEST_MINOR = 20
_EXACT = re.compile(r"==(3\.[0-9]+)\.[0-9]+(\.\*)?(,>=[0-9.]+)?$")
_MINOR = re.compile(r"3\.([0-9]+)")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that is installed: its version, `3.8.18`, and the path of its program."""

    version: str
    path: str

    @property
    def release(self) -> tuple[int, ...]:
        return Version(self.version).release


def find(specifier: str) -> Interpreter | None:
    """One whose version the specifier allows: this one, else the newest; None when there is none.

    Where one exact version is asked for, another of the same minor one will do.
    """
    own = Interpreter(platform.python_version(), sys.executable)
    if allows(specifier, own.version):
        return own  # without a look at the others, which takes as long as starting each
    exact = _EXACT.match(specifier)
    for wanted in (specifier, f"=={exact[1]}.*" if exact else specifier):
        if found := next((one for one in installed() if allows(wanted, one.version)), None):
            return found
    return None


def nearest(specifier: str, oldest: tuple[int, ...]) -> Interpreter | None:
    """Of those that are not older than `oldest` the one whose minor version is nearest to what is asked for."""
    number = _MINOR.search(specifier)
    wanted = int(number[1]) if number else sys.version_info[1]
    candidates = [one for one in installed() if one.release >= oldest]
    return min(candidates, key=lambda one: abs(one.release[1] - wanted), default=None)


@cache
def installed() -> tuple[Interpreter, ...]:
    """Every interpreter: this one, then the others from the newest to the oldest."""
    own = Interpreter(platform.python_version(), sys.executable)
    others = {version: path for path in _candidates() if (version := _version(path)) is not None}
    others.pop(own.version, None)
    ordered = sorted((Interpreter(*item) for item in others.items()), key=lambda one: one.release, reverse=True)
    return (own, *ordered)


def _candidates() -> Iterator[str]:
    root = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser()
    yield from (str(path) for path in sorted(root.glob("versions/*/bin/python")))
    for minor in range(NEWEST_MINOR):
        if found := shutil.which(f"python3.{minor}"):
            yield found


def _version(python: str) -> str | None:
    """None when it does not start: a command of pyenv for a version that is not chosen, or no CPython 3."""
    code = "import sys; print('.'.join(map(str, sys.version_info[:3])), sys.implementation.name)"
    try:
        done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
        version, implementation = done.stdout.split()
        return version if implementation == "cpython" and Version(version).major == 3 else None
    except (OSError, subprocess.CalledProcessError, ValueError, InvalidVersion):
        return None
