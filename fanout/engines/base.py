"""The engine port. Engines only place nodes and never see a mini-batch; completion is read from the store.

`Placer` is what an engine implements: three verbs on named placements. `Engine` is what a run needs; `placed.py` makes
one of any placer.
"""

import asyncio
import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from fanout.pipeline.model import ParallelStep, Step
from fanout.storage.keys import StepRound
from fanout.supervision.workforce import Workforce

LONGEST_GROUP = 52
"""Characters; a number follows, and Kubernetes, Slurm and Batch take 63 in all."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much of a step is left: mini-batches planned so far without an outcome, and those with one."""

    backlog: int = 0
    settled: int = 0


ReadLoad = Callable[[], Load]


class Engine(Protocol):
    """Somewhere nodes can be started."""

    async def check(self, steps: Sequence[Step]) -> None:
        """SettingsError with all that keeps nodes of these steps from being started. Called before a run exists."""
        ...

    def nodes(self, at: StepRound, step: ParallelStep, load: ReadLoad = Load) -> AbstractAsyncContextManager[Workforce]:
        """Nodes work on the step until the context ends; then none of them is left. `load` says how much is left."""
        ...

    async def clear(self, at: StepRound, step: ParallelStep) -> None:
        """Removes nodes of the step that an earlier process has placed. EngineError when the engine cannot say."""
        ...


class State(StrEnum):
    """What an engine knows of a placement."""

    WAITING = "waiting"  # accepted, not started: in a queue, or its image is being pulled
    RUNNING = "running"
    ENDED = "ended"
    LOST = "lost"  # the engine does not know it any more, or its machine is gone


ALIVE = (State.WAITING, State.RUNNING)


@dataclass(frozen=True, slots=True)
class Seen:
    """One placement as its engine sees it.

    `exit_code`: of the node; negative is a signal, None not known. `reason`: why it ended, as far as the engine knows.
    `lived`: seconds it ran, where the engine measures that. `notice`: something that users want to know at once.
    """

    state: State
    exit_code: int | None = None
    reason: str = ""
    lived: float | None = None
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Resources:
    """What one node needs. None: what the engine gives by default."""

    cpus: float | None = None
    memory_mb: int | None = None
    gpus: int | None = None
    image: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """The nodes of one step, as an engine places them.

    `command` ends with exit code 0 (the step is over), 42 (gave up), 28 (a disk is full), 75 (drained), or it died.
    `environ` holds variables that the command needs besides those of its machine; its values may be credentials.
    `written` and `read` are folders and files of this machine that nodes use under the same path. `place` tells runs of
    one name in different stores apart.
    """

    at: StepRound
    command: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    resources: Resources = Resources()
    written: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    place: str = ""
    grace: float = 30.0  # seconds between SIGTERM and SIGKILL

    @property
    def group(self) -> str:
        """The name of its placements together: `fanout-<run>-<step>-r<round>-<digest>`, in lower case, cut if long."""
        written = f"fanout-{self.at.run}-{self.at.step}-r{self.at.round}"
        plain = re.sub(r"[^a-z0-9]+", "-", written.lower()).strip("-")
        digest = hashlib.sha256(f"{self.place}\n{written}".encode()).hexdigest()[:8]
        return f"{plain[: LONGEST_GROUP - 9].rstrip('-')}-{digest}"

    def name(self, number: int) -> str:
        """The name of one placement."""
        return f"{self.group}-{number}"


class Placer(ABC):
    """One engine. Every verb may be repeated; EngineError says what the engine could not do.

    Adapters inherit from it, and get the verbs that most of them need not write. `has_images`: nodes run in images,
    with a Python of their own.
    """

    has_images: bool = False

    @abstractmethod
    async def place(self, wanted: Wanted, numbers: Sequence[int]) -> None:
        """A placement of each number exists, or has existed. Returns when they are accepted, not when they run."""
        ...

    @abstractmethod
    async def look(self, wanted: Wanted) -> Mapping[int, Seen]:
        """All placements of the group by number, also those that have ended or another process has placed."""
        ...

    @abstractmethod
    async def remove(self, wanted: Wanted, numbers: Sequence[int]) -> None:
        """SIGTERM now, SIGKILL after `wanted.grace`; later they are ended or unknown. Of ended ones nothing is left.

        Numbers that are unknown are no error.
        """
        ...

    async def problems(self, wanted: Wanted, ask: Sequence[str]) -> Sequence[str]:  # noqa: ARG002
        """What keeps nodes from being placed, a sentence each. Called before anything starts.

        `ask` is a command that prints a line for everything that a node lacks in the place where it is run.
        """
        return ()

    async def finish(self, wanted: Wanted) -> None:  # noqa: B027 - nothing to do is an answer
        """The step is settled. Nodes see that in the store within seconds; an engine may tell them at once."""

    async def changed(self, seconds: float) -> None:
        """Returns when a placement may have changed, after `seconds` at the latest."""
        await asyncio.sleep(seconds)

    async def close(self) -> None:  # noqa: B027 - nothing to do is an answer
        """Gives back what the placer holds on this machine; placements stay."""
