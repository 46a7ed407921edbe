"""What a step's conda file asks for, held against the Python it will run in. Pure but for `installed_version`."""

import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from fanout.pipeline.model import Environment, Step
from fanout.security.redaction import redact

OLDEST_PYTHON = (3, 8)
"""What a slot can run in."""
OF_THE_RUNTIME = frozenset(
    {"azureml-core", "azureml-dataset-runtime", "azureml-defaults", "azureml-mlflow", "azureml-telemetry", "mltable"}
)
"""Packages that Azure's runtime wants, not scripts; a script that does import one of them misses it loudly."""
MOST_NAMED = 5

Installed = Callable[[str], str | None]
"""The installed version of a distribution; None when there is none."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """One requirement that is not met; `found` is the version that is there, None when there is none."""

    name: str
    requirement: str
    found: str | None

    def __str__(self) -> str:
        return f"{self.requirement} ({'not installed' if self.found is None else f'{self.found} is installed'})"


def lacking(environment: Environment, installed: Installed) -> Iterator[Lacking]:
    """The requirements of the pip section that are not met; options and URLs are passed over."""
    for line in environment.pip:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.name.lower().replace("_", "-") in OF_THE_RUNTIME:
            continue
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        found = installed(requirement.name)
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            yield Lacking(requirement.name, line, found)


def other_python(environment: Environment, running: str) -> bool:
    """Whether the conda file asks for another Python than `running`, a version."""
    return environment.python is not None and not allows(environment.python, running)


def allows(specifier: str, version: str) -> bool:
    """Whether a specifier allows a version; what is no specifier allows any."""
    try:
        return SpecifierSet(specifier).contains(version, prereleases=True)
    except InvalidSpecifier:
        return True


def allows_slots(specifier: str | None) -> bool:
    """Whether there may be a Python of this specifier that slots can run in."""
    major, oldest = OLDEST_PYTHON
    versions = (f"{major}.{minor}.{micro}" for minor in range(oldest, oldest + 30) for micro in range(30))
    return specifier is None or any(allows(specifier, version) for version in versions)


@dataclass(frozen=True, slots=True)
class Here:
    """The Python that fanout runs in."""

    python: str  # its version
    installed: Installed
    pip: str  # the beginning of the command that installs packages
    needed: Callable[[str], bool]  # whether fanout itself needs a distribution


def notices(steps: Iterable[Step], here: Here) -> list[str]:
    """One line for each environment that this Python is not, with the command that mends it."""
    asking: dict[Environment, list[str]] = {}
    for step in steps:
        if step.environment.has_packages and not step.environment.build:
            asking.setdefault(step.environment, []).append(step.name)
    found = (_notice(names, environment, here) for environment, names in asking.items())
    return [line for line in found if line is not None]


def _notice(names: list[str], environment: Environment, here: Here) -> str | None:
    missing = list(lacking(environment, here.installed))
    wants = [redact(str(one)) for one in missing[:MOST_NAMED]]
    if more := len(missing) - MOST_NAMED:
        wants += [f"{more} more"] if more > 0 else []
    if is_other := other_python(environment, here.python):
        too_old = "" if allows_slots(environment.python) else f", and slots need {dotted(OLDEST_PYTHON)} or newer"
        wants.insert(0, f"Python {shown(environment.python)} (this is {here.python}{too_old})")
    if not wants:
        return None
    what = f"{', '.join(names)}: {file_name(environment)} asks for {', '.join(wants)}"
    own = "--env runs the step in an environment made from it"
    if is_other:  # packages for another Python are often not to be had for this one
        return f"{what}; {own}" if allows_slots(environment.python) else what
    if taken := [one.requirement for one in missing if one.found is not None and here.needed(one.name)]:
        return f"{what}; {own}; installed here, {redact(', '.join(taken))} would replace what fanout itself needs"
    return f"{what}; install it with: {_pip_command(environment, missing, here.pip)}, or {own}"


def _pip_command(environment: Environment, missing: Iterable[Lacking], pip: str) -> str:
    """What installs them when it is pasted into a shell, from where the file says that they are."""
    options = [word for line in environment.pip if line.startswith("-") for word in shlex.split(line)]
    return shlex.join((*shlex.split(pip), *options, *(one.requirement for one in missing)))


def dotted(version: tuple[int, ...]) -> str:
    """A version as people write it."""
    return ".".join(map(str, version))


def shown(specifier: str | None) -> str:
    """A specifier as people write a version: `3.11` for `==3.11.*`."""
    return (specifier or "").removeprefix("==").removesuffix(".*")


def file_name(environment: Environment) -> str:
    """The conda file as people call it."""
    return Path(environment.conda_file or "environment").name
