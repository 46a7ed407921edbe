"""Where the runs of a call are, as far as the caller says it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Where:
    """What a command line or a call says of where runs live; None: as the environment or fanout.toml say."""

    store: str | None = None
    queue: str | None = None
    profile: str | None = None
