"""What `azureml_user.parallel_run.EntryScript` tells a script about where it runs.

A slot enters its surroundings once, before the script is loaded; outside a run the defaults let one try a script.
"""

from __future__ import annotations

from dataclasses import field
from pathlib import Path

from fanout.backports import dataclass

STAND_INS = f"{Path(__file__).parents[2]}/compat/if_absent"
"""A folder of modules that scripts may import although the package of that name is not installed."""


@dataclass(frozen=True, slots=True)
class ScriptContext:
    """Who this process is and where it may write (reference, section 6)."""

    agent_name: str = "process000"
    node_id: str = "0"
    logging_level: str = "INFO"
    logs: Path = field(default_factory=lambda: Path("logs").absolute())
    working_dir: Path = field(default_factory=Path.cwd)
    input_dir: Path = field(default_factory=Path.cwd)
    output_dir: Path = field(default_factory=Path.cwd)

    @property
    def log_dir(self) -> Path:
        return self.logs / "user" / "entry_script_log" / self.node_id

    @property
    def log_file(self) -> Path:
        return self.log_dir / f"{self.agent_name}.log.txt"


class _Here:
    """The one place that knows; a process is in one slot, so there is one."""

    now: ScriptContext | None = None
    entered = False


def enter(surroundings: ScriptContext) -> None:
    """From here on `current` answers with these."""
    _Here.now, _Here.entered = surroundings, True


def in_a_run() -> bool:
    """Whether this process is a slot's, or does as if."""
    return _Here.entered


def current() -> ScriptContext:
    """The slot's surroundings, or the defaults outside a run."""
    if _Here.now is None:
        _Here.now = ScriptContext()
    return _Here.now
