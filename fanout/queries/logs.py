"""What the processes of a step printed, read from the store: what `fanout logs` shows."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fanout.storage.objects import list_keys, read_range

if TYPE_CHECKING:
    from obstore.store import ObjectStore

CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class LogChoice:
    """Which logs: of one node or process, what went to stdout or to stderr."""

    node: int | None = None
    process: str | None = None
    stderr: bool = False

    def chooses(self, name: str) -> bool:
        """Whether the log of this name, relative to the step's logs, is one of them."""
        match name.split("/"):
            case ["user_logs", _]:
                return not self.stderr  # a command step prints both into one file
            case ["user", kind, node, file]:
                return kind in self._kinds and self._is_of(node, file.partition(".")[0])
            case ["user", "error.txt"]:
                return self.node is None and self.process is None
            case _:
                return False

    @property
    def _kinds(self) -> tuple[str, ...]:
        # The tracebacks of all processes together are in error.txt.
        one = self.node is not None or self.process is not None
        return ("stderr" if self.stderr else "stdout", *(("error",) if one else ()))

    def _is_of(self, node: str, process: str) -> bool:
        return self.node in (None, int(node) if node.isdigit() else -1) and self.process in (None, process)


@dataclass(slots=True)
class LogReader:
    """Passes on what is new in the chosen logs below `prefix`, each pass from where the last one ended."""

    store: "ObjectStore"
    prefix: str
    choice: LogChoice
    write: Callable[[bytes], None]
    whose: str = ""  # the step in headings, where logs of several are shown
    _read: dict[str, int] = field(default_factory=dict)
    _last: str = ""

    async def pass_on(self) -> int:
        """Writes what is new, under a heading where the file changes; returns how many bytes."""
        found = [(listed.key, listed.size) async for listed in list_keys(self.store, self.prefix)]
        return sum([await self._pass_on(key, size) for key, size in self._in_order(found)])

    def _in_order(self, found: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
        """Tracebacks first."""
        chosen = [(key, size) for key, size in found if self.choice.chooses(self._name(key))]
        return sorted(chosen, key=lambda pair: ("/error" not in pair[0], pair[0]))

    async def _pass_on(self, key: str, size: int) -> int:
        begun = start = self._read.get(key, 0)
        while start < size:
            stop = min(size, start + CHUNK)
            body = await read_range(self.store, key, start, stop) or b""
            if key != self._last:
                self._last = key
                self.write(f"==> {self.whose}{self._name(key)} <==\n".encode())
            self.write(body)
            self._read[key] = start = stop
        return start - begun

    def _name(self, key: str) -> str:
        return key.removeprefix(self.prefix)
