"""What is installed in the Python that fanout runs in.

What looks at distributions is imported where it is used: it takes 30 ms, and most pipelines name no packages.
"""

import os
import shlex
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

from fanout.errors import DISTRIBUTION
from fanout.pipeline.model import Step

EXTRAS = ("aws", "delta", "tables", "watch")
"""What fanout's own functions need beyond its requirements."""


def installed_version(name: str) -> str | None:
    """The version of a distribution; None when it is not installed."""
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def notices(steps: Iterable[Step]) -> list[str]:
    """One line for each environment that this Python is not, with the command that mends it."""
    asking = [step for step in steps if step.environment.has_packages]
    if not asking:
        return []
    import platform

    from fanout.environments import compare

    return compare.notices(asking, compare.Here(platform.python_version(), installed_version, _pip(), _is_needed))


@cache
def _needed() -> frozenset[str]:
    """Every distribution that fanout needs, by its canonical name: its own requirements and theirs."""
    from importlib import metadata

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found, waiting = set[str](), [DISTRIBUTION]
    while waiting:
        name = waiting.pop()
        extras = ("", *EXTRAS) if name == DISTRIBUTION else ("",)
        if name in found:
            continue
        found.add(name)
        with suppress(metadata.PackageNotFoundError):
            for requirement in map(Requirement, metadata.requires(name) or ()):
                marker = requirement.marker
                if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
                    waiting.append(canonicalize_name(requirement.name))
    return frozenset(found)


def _is_needed(name: str) -> bool:
    from packaging.utils import canonicalize_name

    return canonicalize_name(name) in _needed()


@cache
def packages() -> tuple[str, ...]:
    """This Python and every distribution in it, by version: what makes two runs of a script differ.

    By the names of their folders: reading what is in these takes a hundred times as long, and every run asks.
    """
    found = {f"Python=={sys.version.split()[0]}"}
    for place in map(Path, dict.fromkeys(sys.path)):
        with suppress(OSError), os.scandir(place or ".") as entries:
            for entry in entries:
                name, dot, kind = entry.name.rpartition(".")
                if dot and kind in ("dist-info", "egg-info"):
                    found.add("==".join(name.split("-")[:2]))
    return tuple(sorted(found))


def _pip() -> str:
    import importlib.util

    if importlib.util.find_spec("pip") is not None:
        return f"{shlex.quote(sys.executable)} -m pip install"
    return f"uv pip install --python {shlex.quote(sys.executable)}"
