"""What was found in a pipeline file and the files it names: every problem, and notices; and the words to say it in."""

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import TypeVar

from fanout.errors import Place, Problem, SpecError
from fanout.pipeline.yaml.tree import Node, Origin

T = TypeVar("T")
D = TypeVar("D")
Check = Callable[[Node], T]

PROBLEM_LIMIT = 100
_MOST_KEYS = 8


class CheckFailed(ValueError):  # noqa: N818 - reads as what it says at the point of raising
    """A value that is not what its key takes; the message says what would be right.

    `origin` is the node at fault when that is not the checked one but one inside it.
    """

    def __init__(self, message: str, origin: Origin | None = None) -> None:
        super().__init__(message)
        self.origin = origin


class AlreadyReported(CheckFailed):
    """A value that is wrong only because of another one, whose problem is noted already."""


class Report:
    """What was found in a pipeline file and the files it names: problems, and notices worth one line each."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.components: list[Node] = []  # files that were read for the pipeline file
        self._notices: dict[str, None] = {}
        self._unused: dict[str, None] = {}

    @property
    def notices(self) -> tuple[str, ...]:
        """Each notice once, in the order they came up; last one line for all keys that are Azure's own business."""
        if not self._unused:
            return tuple(self._notices)
        keys = list(self._unused)
        more = f" and {len(keys) - _MOST_KEYS} more" if len(keys) > _MOST_KEYS else ""
        return (*self._notices, f"no effect here: {', '.join(keys[:_MOST_KEYS])}{more}")

    def problem(self, origin: Origin, message: str) -> None:
        """Note something wrong with a node."""
        self.problem_at(origin.place, origin.key, message)

    def problem_at(self, place: Place, key: str, message: str) -> None:
        """Note something wrong at a place; SpecError once there are too many to be of use."""
        problem = Problem(place, shorten(key, 120), message)
        if problem not in self.problems:
            self.problems.append(problem)
        if len(self.problems) >= PROBLEM_LIMIT:
            raise SpecError(self.problems)

    def notice(self, origin: Origin, message: str) -> None:
        """Note something that is accepted, but not done as the writer may think."""
        self._notices[f"{origin.key}: {message}"] = None

    def unused(self, origin: Origin) -> None:
        """Note a key that is fine on Azure and does nothing here."""
        self._unused[origin.key] = None

    def fatal(self, place: Place, key: str, message: str) -> SpecError:
        """The error to raise when there is no way to go on: this problem and all found before it."""
        return SpecError([*self.problems, Problem(place, shorten(key, 120), message)])

    def finish(self) -> None:
        """SpecError when there is any problem."""
        if self.problems:
            raise SpecError(self.problems)

    def attempt(self, node: Node, check: Check[T], default: D) -> T | D:
        """The value of `node`, or `default` with the problem noted."""
        try:
            return check(node)
        except AlreadyReported:
            return default
        except CheckFailed as wrong:
            self.problem(wrong.origin or node.origin, str(wrong))
            return default


def suggest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or what there is to choose from when it is little, or nothing."""
    choices = list(known)
    close = get_close_matches(word[:60].lower(), [choice.lower() for choice in choices], n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{next(choice for choice in choices if choice.lower() == close[0])}'?"
    return f"; there is {join(choices)}" if 0 < len(choices) <= 5 else ""


def join(words: Sequence[str]) -> str:
    """`'a'`, `'a' or 'b'`, `'a', 'b' or 'c'`."""
    quoted = [f"'{shorten(word)}'" for word in words]
    return " or ".join(filter(None, [", ".join(quoted[:-1]), *quoted[-1:]]))


def shorten(text: str, width: int = 60) -> str:
    """`text` in at most `width` printable characters of one line."""
    # Escaped, since what a file holds must not be able to write to the terminal.
    line = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[: width + 1])
    return line if len(line) <= width else line[: width - 1] + "…"
