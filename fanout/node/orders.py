"""What a node and a slot say to each other, as values; `frames` carries them.

Imported by the slot's child process: the standard library only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fanout.node import frames
from fanout.step.results import Cause, Failure


@dataclass(frozen=True, slots=True)
class Start:
    """The first frame to a slot: which script, how it is called, where it may write. Paths are absolute."""

    entry_script: str
    code: str | None
    arguments: Sequence[str]
    row_format: str
    recipe: str | None
    node: str
    process: str
    logs: str  # the folder that holds `user/` and `sys/`
    outputs: Mapping[str, str]  # staging folder of each output that user code writes into
    attempts: str  # where a successful attempt's files are put aside: <attempts>/<index>-<attempt>-<process>/<output>/…
    output_dir: str
    input_dir: str
    logging_level: str
    profiling_module: str

    def frame(self) -> bytes:
        return frames.encode({"t": "start", **asdict(self)})

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "Start":
        return cls(**{name: value for name, value in header.items() if name != "t"})


def task_frame(attempt: int, line: bytes) -> bytes:
    """One mini-batch to work on; `line` is its JSON line."""
    return frames.encode({"t": "task", "a": attempt}, line)


STOP = frames.encode({"t": "stop"})
"""Run shutdown() and leave."""


@dataclass(frozen=True, slots=True)
class Ready:
    """init() has returned: the slot waits for work."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Broken:
    """The script could not be loaded, or init() failed; the process leaves by itself."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Loaded:
    """The mini-batch has been read; run() starts now."""

    items: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Done:
    """run() has ended, well (`failure` None) or badly; `rows` are encoded in the step's row format."""

    items: int
    succeeded: int
    load_seconds: float
    run_seconds: float
    rows_written: int = 0
    rows: bytes = b""
    header: str | None = None
    files: tuple[str, ...] = ()
    failure: Failure | None = None

    def frame(self) -> bytes:
        fields: dict[str, Any] = {
            "t": "done",
            "n": (self.items, self.succeeded, self.load_seconds, self.run_seconds, self.rows_written),
        }
        if self.header is not None:
            fields["h"] = self.header
        if self.files:
            fields["f"] = self.files
        if self.failure is not None:
            fields["x"] = _failure_fields(self.failure)
        return frames.encode(fields, self.rows)


@dataclass(frozen=True, slots=True)
class Stopped:
    """shutdown() has run; `files` were left in the output folders after the last attempt."""

    failure: Failure | None = None
    files: tuple[str, ...] = ()


Answer = Ready | Broken | Loaded | Done | Stopped


def ready_frame(seconds: float) -> bytes:
    return frames.encode({"t": "ready", "s": seconds})


def broken_frame(failure: Failure) -> bytes:
    return frames.encode({"t": "broken", "x": _failure_fields(failure)})


def loaded_frame(items: int, seconds: float) -> bytes:
    return frames.encode({"t": "loaded", "n": items, "s": seconds})


def stopped_frame(failure: Failure | None, files: Sequence[str]) -> bytes:
    return frames.encode({"t": "stopped", "x": None if failure is None else _failure_fields(failure), "f": files})


def answer(header: Mapping[str, Any], payload: bytes) -> Answer:
    """What a slot said; ValueError when it is none of our words."""
    match header["t"]:
        case "done":
            items, succeeded, load_seconds, run_seconds, rows_written = header["n"]
            return Done(
                items,
                succeeded,
                load_seconds,
                run_seconds,
                rows_written,
                payload,
                header.get("h"),
                tuple(header.get("f", ())),
                _failure(header.get("x")),
            )
        case "loaded":
            return Loaded(header["n"], header["s"])
        case "ready":
            return Ready(header["s"])
        case "broken":
            return Broken(_failure(header["x"]) or Failure(Cause.INIT, "no reason given"))
        case "stopped":
            return Stopped(_failure(header["x"]), tuple(header["f"]))
        case word:
            raise ValueError(f"a slot said {word!r}")


def _failure_fields(failure: Failure) -> list[str]:
    return [failure.cause.value, failure.message, failure.traceback]


def _failure(fields: Sequence[str] | None) -> Failure | None:
    return None if fields is None else Failure(Cause(fields[0]), fields[1], fields[2])
