"""Carries a run through the weather, to its end."""

import math
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.chaos.processes import by_hand, nodes_of, servers_of, slots_of, strike
from tests.chaos.scene import Scene
from tests.chaos.weather import Blow, Weather

if TYPE_CHECKING:
    import subprocess

CALM = (math.inf, Blow.SLOT)
BELOW = {Blow.SLOT: slots_of, Blow.SERVER: servers_of}
"""What of a node is struck."""
LOOK_EVERY = 0.02
LEAVE_LIMIT = 30.0
"""Seconds after the end of the run in which nodes that were orphaned or paused must have left by themselves."""


class TimeIsUpError(Exception):
    """The run did not come to an end in time."""


@dataclass(frozen=True, slots=True)
class Passed:
    """How it went: the last command's exit code, how often each blow has landed, and who did not leave afterwards."""

    code: int
    blows: Counter[Blow]
    seconds: float
    left_behind: list[int]


@dataclass(slots=True)
class Storm:
    """One run in its weather; `limit` in seconds for all of it."""

    scene: Scene
    weather: Weather
    limit: float
    _landed: Counter[Blow] = field(default_factory=Counter)
    _paused: dict[int, float] = field(default_factory=dict)  # node -> when it goes on
    _joined: "list[subprocess.Popen[bytes]]" = field(default_factory=list)  # nodes by hand
    _due: set[Blow] = field(default_factory=set)
    _chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._chance = random.Random(f"{self.weather.seed} victims")  # noqa: S311 - to be repeated

    def pass_over(self) -> Passed:
        """`fanout run` and as many `fanout resume` as it takes; TimeIsUpError when that is too long."""
        begun = time.monotonic()
        process = self.scene.start("run", "pipeline.yml", "--name", self.scene.run)
        try:
            process = self._rage(process, begun)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            self._go_on(time.monotonic() + self.weather.pause_for)
            over = process.returncode == 0
            left = self._wait_for_nodes() if over else nodes_of(self.scene.run)
            self._end_nodes_by_hand(left)
        seconds = time.monotonic() - begun
        return Passed(process.returncode, self._landed, seconds, left)

    def _rage(self, process: "subprocess.Popen[bytes]", begun: float) -> "subprocess.Popen[bytes]":
        """Strikes until the run is over; the last command."""
        forecast = self.weather.forecast()
        supervisor_kills = [share * self.scene.held_from for share in self.weather.supervisor_kills_at()]
        at, blow = next(forecast, CALM)
        while process.poll() is None:
            now = time.monotonic()
            if now - begun > self.limit:
                raise TimeIsUpError(f"not over after {self.limit:g} s:\n{self.scene.said[-3000:]}")
            self._go_on(now)
            self._join_by_hand()
            if supervisor_kills and self.scene.attempts() >= supervisor_kills[0]:
                supervisor_kills.pop(0)
                process = self._without_supervisor(process)
            if now - begun >= at:
                self._due.add(blow)
                at, blow = next(forecast, CALM)
            self._strike_what_is_due()
            if not supervisor_kills and all(self._landed[kind] for kind in self.weather.kinds):
                self.scene.let_go()
            time.sleep(LOOK_EVERY)
        return process

    def _without_supervisor(self, process: "subprocess.Popen[bytes]") -> "subprocess.Popen[bytes]":
        process.kill()
        process.wait()
        if process.returncode != -signal.SIGKILL:  # it had just ended by itself
            return process
        self._landed[Blow.SUPERVISOR] += 1
        return self.scene.start("resume", self.scene.run)

    def _strike_what_is_due(self) -> None:
        """A blow that finds no process is missed, but not the first of its kind: it falls as soon as there is one."""
        for blow in sorted(self._due):
            self._strike(blow)
        self._due = {blow for blow in self._due if not self._landed[blow]}

    def _strike(self, blow: Blow) -> None:
        there = [*nodes_of(self.scene.run), *by_hand(self.scene.run)]
        nodes = [pid for pid in there if pid not in self._paused]
        victims = [pid for node in nodes for pid in BELOW[blow](node)] if blow in BELOW else nodes
        if not victims:
            return
        victim = self._chance.choice(victims)
        if strike(victim, signal.SIGSTOP if blow in (Blow.PAUSE, Blow.SERVER) else signal.SIGKILL):
            self._landed[blow] += 1
            if blow is Blow.PAUSE:
                self._paused[victim] = time.monotonic() + self.weather.pause_for

    def _join_by_hand(self) -> None:
        """As many nodes as are wanted work on the run without its supervisor, once it has begun."""
        self._joined = [node for node in self._joined if node.poll() is None]
        while len(self._joined) < self.weather.by_hand and self.scene.attempts():
            self._joined.append(self.scene.start("node", self.scene.run))

    def _still_joined(self) -> list[int]:
        return [node.pid for node in self._joined if node.poll() is None]

    def _end_nodes_by_hand(self, left: list[int]) -> None:
        """None outlives this process."""
        for node in self._joined:
            if node.poll() is None:
                left.append(node.pid)
                node.kill()
            node.wait()

    def _go_on(self, now: float) -> None:
        """Nodes whose pause is over go on."""
        for pid in [pid for pid, until in self._paused.items() if until <= now]:
            del self._paused[pid]
            strike(pid, signal.SIGCONT)

    def _wait_for_nodes(self) -> list[int]:
        deadline = time.monotonic() + LEAVE_LIMIT
        while (there := [*nodes_of(self.scene.run), *self._still_joined()]) and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY)
        return there
