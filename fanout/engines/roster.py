"""The placements of one step and what became of them: which are missing, and when it makes no sense to go on. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fanout.engines.base import ALIVE, Seen, State
from fanout.node.exit_codes import FULL, GAVE_UP

QUICK_DEATH = 10.0
"""A node that lived shorter than this, in seconds, died at once."""
MOST_QUICK_DEATHS = 10
"""For each node, and in a row: a mini-batch that kills its nodes is given up before, after 2 + max_receives of them;
and nodes that are killed now and then, after hours of work, are replaced for ever."""
APPEARS_WITHIN = 15.0
"""Seconds in which an engine shows a placement that it has accepted."""
WITHOUT_WORDS = "they ended without a word"


@dataclass(slots=True)
class Roster:
    """Placements by number, from when they were placed to their end.

    `gone`: of so many nodes the place stays empty, since another one would end the same. `words`: the last reason that
    one ended for.
    """

    most: int
    alive: dict[int, State] = field(default_factory=dict)
    next: int = 0
    gone: int = 0
    full: bool = False
    words: str = ""
    news: list[str] = field(default_factory=list)
    _placed: dict[int, float] = field(default_factory=dict)
    _began: dict[int, float] = field(default_factory=dict)
    _released: set[int] = field(default_factory=set)
    _quick: int = 0

    def adopt(self, seen: Mapping[int, Seen], now: float) -> None:
        """Takes over what an earlier process has placed; what has ended before is no news."""
        living = {number: one for number, one in seen.items() if one.state in ALIVE}
        self.place(living, now)
        self.next = max([self.next, *(number + 1 for number in seen)])

    def place(self, numbers: Iterable[int], now: float) -> None:
        """Placements of these numbers were accepted."""
        for number in numbers:
            self.alive[number], self._placed[number] = State.WAITING, now
            self.next = max(self.next, number + 1)

    def release(self, numbers: Iterable[int]) -> None:
        """These are asked to leave, as fewer are wanted."""
        self._released.update(numbers)

    def take(self, seen: Mapping[int, Seen], now: float) -> None:
        """What the engine shows now; placements that have ended are accounted for once."""
        for number in tuple(self.alive):
            one = seen.get(number)
            if one is None and now - self._placed[number] >= APPEARS_WITHIN:
                one = Seen(State.LOST, reason="its engine does not know it any more")
            if one is None:
                continue
            if one.state in ALIVE:
                self.alive[number] = one.state
                if one.state is State.RUNNING:
                    self._began.setdefault(number, now)
            else:
                self._ended(number, one, now)

    def missing(self, target: int) -> range:
        """The numbers to place for `target` nodes."""
        count = 0 if self.gave_up else min(target, self.most - self.gone) - len(self._staying)
        return range(self.next, self.next + max(0, count))

    def surplus(self, target: int) -> list[int]:
        """The numbers to release for `target` nodes: those that wait first, then the newest."""
        staying = self._staying
        order = sorted(staying, key=lambda number: (self.alive[number] is State.WAITING, number))
        return order[min(len(order), max(0, target)) :]

    @property
    def count(self) -> int:
        """How many are there, and stay."""
        return len(self._staying)

    @property
    def running(self) -> int:
        return sum(state is State.RUNNING for state in self.alive.values())

    @property
    def gave_up(self) -> bool:
        """Whether too many nodes have died at once, one after the other."""
        return self._quick > MOST_QUICK_DEATHS * max(1, self.most)

    @property
    def over(self) -> bool:
        """Whether no node is left, and none will be placed."""
        return not self.alive and (self.gave_up or self.gone >= self.most)

    @property
    def _staying(self) -> list[int]:
        return [number for number in self.alive if number not in self._released]

    def _ended(self, number: int, one: Seen, now: float) -> None:
        del self.alive[number]
        began = self._began.pop(number, now)
        if one.notice:
            self.news.append(one.notice)
        if one.exit_code != 0:
            self.words = reason_of(one)
        if number in self._released:
            return
        self.full = self.full or one.exit_code == FULL
        if one.exit_code in (0, GAVE_UP, FULL):
            self.gone += 1
            return
        lived = now - began if one.lived is None else one.lived
        self._quick = self._quick + 1 if lived < QUICK_DEATH else 0


def reason_of(one: Seen) -> str:
    """Why a placement ended, in words."""
    code = one.exit_code
    if code is None or code >= 0:
        return one.reason or ("its engine lost it" if code is None else f"a node ended with {code}")
    death = f"a node was killed by signal {-code}"  # what it said before need not be why
    return f"{death}; the last it said: {one.reason}" if one.reason and not one.notice else one.notice or death
