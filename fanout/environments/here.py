"""What is installed in the Python that fanout runs in."""

import importlib.util
import platform
import sys
from collections.abc import Iterable
from importlib import metadata

from fanout.spec.steps import Step


def installed_version(name: str) -> str | None:
    """The version of a distribution; None when it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def notices(steps: Iterable[Step]) -> list[str]:
    """One line for each environment that this Python is not, with the command that mends it."""
    asking = [step for step in steps if step.environment.has_packages]
    if not asking:
        return []
    from fanout.environments import compare  # packaging takes 20 ms, and most pipelines name no packages

    return compare.notices(asking, platform.python_version(), installed_version, _pip())


def fingerprint() -> str:
    """This Python and every distribution in it, by version: what makes two runs of a script differ."""
    found = sorted({f"{one.name}=={one.version}" for one in metadata.distributions()})
    return "\n".join([sys.version, *found])


def _pip() -> str:
    if importlib.util.find_spec("pip") is not None:
        return f"{sys.executable} -m pip install"
    return f"uv pip install --python {sys.executable}"
