"""`from azureml_user.parallel_run import EntryScript`, as entry scripts write it; works outside a run too."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, ClassVar

from fanout.slot.child.script_context import current, in_a_run

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["EntryScript"]


class EntryScript:
    """What a script may ask about its surroundings: a singleton, as on Azure (reference, section 6)."""

    _only: ClassVar[EntryScript | None] = None
    _logger: logging.Logger | None

    def __new__(cls) -> EntryScript:
        if cls._only is None:
            cls._only = super().__new__(cls)
            cls._only._logger = None
        return cls._only

    @property
    def logger(self) -> logging.Logger:
        """A logger that writes to logs/user/entry_script_log/<node>/<process>.log.txt; outside a run to stderr, too."""
        if self._logger is None:
            self._logger = _file_logger(current().log_file, current().logging_level)
        return self._logger

    @property
    def log_dir(self) -> Path:
        """logs/user/entry_script_log/<node>; may not exist yet."""
        return current().log_dir

    @property
    def agent_name(self) -> str:
        """`process000`, `process001`, …: a new number for each process that replaces another."""
        return current().agent_name

    @property
    def node_id(self) -> str:
        """The node's number, as text."""
        return current().node_id

    @property
    def working_dir(self) -> Path:
        """The code folder, which is the current folder when the script is loaded."""
        return current().working_dir

    @property
    def input_dir(self) -> Path:
        """Where the node keeps input data."""
        return current().input_dir

    @property
    def output_dir(self) -> Path:
        """The output folder of the step; what is written there is published when the attempt succeeds."""
        return current().output_dir

    def card(self, name: str, html: str) -> None:
        """Leaves HTML for the report and the page of the run, where it is shown in a frame that runs no script.

        `name` is letters, digits, `-` and `_`, else ValueError. A later card of the same process takes the place of an
        earlier one of this name.
        """
        if not name.replace("-", "").replace("_", "").isalnum():
            raise ValueError(f"card: a name has letters, digits, - and _, found {name!r}")
        here = current()
        path = here.logs / "user" / "cards" / here.node_id / f"{here.agent_name}-{name}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(html, encoding="utf-8")


def _file_logger(path: Path, level: str) -> logging.Logger:
    path.parent.mkdir(parents=True, exist_ok=True)
    handlers: list[logging.Handler] = [logging.FileHandler(path, encoding="utf-8")]
    if not in_a_run():
        handlers.append(logging.StreamHandler())
    logger = logging.getLogger("azureml_user.entry_script")
    logger.setLevel(level)
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s|%(levelname)s|%(process)d|%(message)s"))
        logger.addHandler(handler)
    logger.propagate = False
    return logger
