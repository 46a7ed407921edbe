"""A pack as one process knows it: which version is its newest, and since when this process has known that.

No clocks are compared. A claim was renewed in some version; it runs out when this process has known that version, or a
later one, for the seconds of the claim, on its own clock that only goes forward.
"""

import math
import re
import secrets
from bisect import bisect_left
from dataclasses import dataclass, field

from fanout.queues.bucket.state import Claim, PackState

_NAME = re.compile(r"\d{13}-[0-9a-f]{8}-(?P<count>[1-9]\d{0,3})-(?P<delay>\d{1,9})")


def pack_name(now: float, count: int, delay: float) -> str:
    """A new name. It says how many messages there are, and their delay, so that a listing tells."""
    return f"{int(now * 1000):013d}-{secrets.token_hex(4)}-{count}-{math.ceil(delay * 1000)}"


@dataclass(eq=False)
class Pack:
    """What is known of a pack: `version` is its newest, as of `known_at`; `state` is None until that was read."""

    name: str
    count: int
    delay: float
    known_at: float
    version: int = -1
    state: PackState | None = None
    bodies: list[str] | None = None
    _versions: list[int] = field(default_factory=list)
    _since: list[float] = field(default_factory=list)

    @classmethod
    def named(cls, name: str, known_at: float) -> "Pack | None":
        """The pack of this name; None when it is the name of none."""
        if (match := _NAME.fullmatch(name)) is None:
            return None
        return cls(name, int(match["count"]), int(match["delay"]) / 1000, known_at)

    def seen(self, version: int, asked: float, answered: float) -> None:
        """It is known from `answered` on that there is this version, and that there was no later one at `asked`."""
        if version < self.version:
            return
        self.known_at = max(self.known_at, asked)
        if version == self.version:
            return
        self.version = version
        self._versions.append(version)
        self._since.append(answered)
        self.state = PackState.new(self.count, self.delay) if version == 0 else None

    def read(self, state: PackState) -> None:
        """This is the newest version. What was noted of times that no claim depends on is forgotten."""
        self.state = state
        oldest = min((claim.beat for claim in state.claims), default=state.version)
        needless = bisect_left(self._versions, oldest)
        del self._versions[:needless], self._since[:needless]

    def is_over(self, claim: Claim, now: float) -> bool:
        """Whether the claim has run out: at `now` it has been known for its seconds."""
        place = bisect_left(self._versions, claim.beat)
        return place < len(self._since) and now >= self._since[place] + claim.seconds
