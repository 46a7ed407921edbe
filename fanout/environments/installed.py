"""What is installed in the Python that fanout runs in.

What looks at distributions is imported where it is used: it takes 30 ms, and most pipelines name no packages.
"""

import sys
from collections.abc import Iterable

from fanout.pipeline.model import Step


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

    return compare.notices(asking, platform.python_version(), installed_version, _pip())


def fingerprint() -> str:
    """This Python and every distribution in it, by version: what makes two runs of a script differ."""
    from importlib import metadata

    found = sorted({f"{one.name}=={one.version}" for one in metadata.distributions()})
    return "\n".join([sys.version, *found])


def _pip() -> str:
    import importlib.util

    if importlib.util.find_spec("pip") is not None:
        return f"{sys.executable} -m pip install"
    return f"uv pip install --python {sys.executable}"
