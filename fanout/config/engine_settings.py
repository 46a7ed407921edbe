"""Which engine a step's nodes are started by, and the settings that all engines have in common.

[computes]
cpu-cluster = "slurm:big"          # ENGINE, or ENGINE:NAME
[engines.big]                      # settings of NAME; without a NAME those of [engines.ENGINE]
nodes = { min = 0, max = 50 }      # or a number; instance_count of the step when left out
python = "/shared/venv/bin/python" # what runs nodes there; the Python of fanout run when left out
grace = 30                         # seconds between SIGTERM and SIGKILL
alone = 600                        # seconds after which a node leaves when no process looks after the run
cpus = 2                           # of a node
memory = "4gb"
gpus = 1
image = "me/pipeline:1"            # where nodes are containers; the step's environment.image when left out
environment = { OMP_NUM_THREADS = "1" }
partition = "long"                 # keys of the engine itself
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING, Any

from fanout.config.typed_table import typed
from fanout.errors import SettingsError
from fanout.pipeline.yaml.diagnostics import shorten, suggest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

LOCAL = "local"
BUILT_IN = (LOCAL, "docker", "slurm", "ssh")
PLUGINS = "fanout.engines"
"""The group of entry points by which other distributions add engines."""
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg])i?b?", re.IGNORECASE)
_TO_MB = {"k": 1 / 1024, "m": 1.0, "g": 1024.0}


@dataclass(frozen=True, slots=True)
class EngineName:
    """Which engine, and whose settings it has."""

    engine: str
    name: str

    def __str__(self) -> str:
        return self.engine if self.name == self.engine else f"{self.engine}:{self.name}"


@dataclass(frozen=True, slots=True)
class NodeRange:
    """`nodes = { min = 0, max = 50 }`."""

    max: int
    min: int = 0


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """What all engines have in common."""

    nodes: int | NodeRange | None = None
    python: str | None = None
    grace: float = 30.0
    alone: float = 600.0
    cpus: float | None = None
    memory: str | None = None
    gpus: int | None = None
    image: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def memory_mb(self) -> int | None:
        """The memory of a node in MiB."""
        found = None if self.memory is None else _MEMORY.fullmatch(self.memory.strip())
        return None if found is None else max(1, round(float(found[1]) * _TO_MB[found[2].lower()]))


def parse_engine(text: str) -> EngineName:
    """`slurm`, or `slurm:big`."""
    engine, _, name = text.strip().partition(":")
    return EngineName(engine, name or engine)


def check_engine(text: str, engines: Mapping[str, Mapping[str, Any]], where: str) -> EngineName:
    """The engine that the text names; SettingsError when there is none, or no settings of this name."""
    named = parse_engine(text)
    if named.engine not in BUILT_IN and named.engine not in plugins():
        known = sorted({*BUILT_IN, *plugins()})
        raise SettingsError(f"{where}: there is no engine '{shorten(named.engine)}'{suggest(named.engine, known)}")
    if named.name != named.engine and named.name not in engines:
        raise SettingsError(
            f"{where}: there are no settings [engines.{shorten(named.name)}]{suggest(named.name, engines)}"
        )
    return named


@cache
def plugins() -> "Mapping[str, EntryPoint]":
    """Engines of other distributions, by name."""
    from importlib import metadata  # it loads much

    return {point.name: point for point in metadata.entry_points(group=PLUGINS)}


def node_settings(content: Mapping[str, Any], where: str) -> tuple[NodeSettings, Mapping[str, Any]]:
    """The common settings, checked, and the engine's own keys; SettingsError for values that cannot be."""
    common = {f.name for f in fields(NodeSettings)}
    settings = typed(NodeSettings, {key: value for key, value in content.items() if key in common}, where)
    if settings.memory is not None and settings.memory_mb is None:
        raise SettingsError(f"{where}.memory: expected a size such as 512mb or 4gb, found '{shorten(settings.memory)}'")
    least, most = bounds_of(settings.nodes, 1)
    if not 0 <= least <= most or most < 1:
        raise SettingsError(f"{where}.nodes: expected a number from 1, or min and max with 0 <= min <= max")
    for key in ("grace", "alone", "cpus", "gpus"):
        value = getattr(settings, key)
        if value is not None and value < (0 if key in ("grace", "gpus") else 0.001):
            raise SettingsError(f"{where}.{key}: expected a number above 0, found {value:g}")
    return settings, {key: value for key, value in content.items() if key not in common}


def bounds_of(nodes: int | NodeRange | None, instance_count: int) -> tuple[int, int]:
    """The fewest and the most nodes of a step."""
    if isinstance(nodes, NodeRange):
        return nodes.min, nodes.max
    count = instance_count if nodes is None else nodes
    return count, count
