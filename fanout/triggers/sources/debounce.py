"""When a file that is being written is whole: once nothing has changed for a while. Pure."""

from dataclasses import dataclass, field

QUIET = 0.5
"""Seconds without a change after which a file counts as whole; a writer that pauses longer should write elsewhere and
rename."""


@dataclass(slots=True)
class Debounce:
    """Files by name, each with its version, and since when it has had that (monotonic seconds)."""

    _seen: dict[str, tuple[str, float]] = field(default_factory=dict)
    _reported: dict[str, str] = field(default_factory=dict)

    @property
    def waiting(self) -> list[str]:
        """The files that are not settled yet."""
        return list(self._seen)

    def look(self, name: str, version: str | None, now: float, quiet: float = QUIET) -> bool:
        """Whether the file has settled in a version that was not reported before; `version` None: the file is gone."""
        if version is None:
            self._seen.pop(name, None)
            self._reported.pop(name, None)
            return False
        if self._reported.get(name) == version:
            self._seen.pop(name, None)
            return False
        seen, since = self._seen.get(name, ("", now))
        if seen != version:
            self._seen[name] = version, now
            since = now
        if now - since < quiet:
            return False
        del self._seen[name]
        self._reported[name] = version
        return True

    def forget(self, name: str) -> None:
        """The file could not be reported: it will be looked at again."""
        if (version := self._reported.pop(name, None)) is not None:
            self._seen[name] = version, float("-inf")
