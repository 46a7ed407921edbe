"""Failures that are alike, put together, so that a thousand of them read as the few they are. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fanout.records.parts import ItemRange
from fanout.results.codec import Cause, Event, Failure
from fanout.results.failed_attempt import FailedAttempt

_FRAME = re.compile(r'^\s*File "(?P<file>[^"\n]+)", line (?P<line>\d+)', re.MULTILINE)
# What differs between failures of one kind: quoted texts, paths, numbers.
_VARIABLE = re.compile(r"'[^']*'|\"[^\"]*\"|(?<![\w.])/[^\s:,;)]+|0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?")
_NOT_BY_CODE = frozenset({Cause.DAMAGED, Cause.VANISHED, Cause.LOAD, Cause.LOAD_TIME_LIMIT})
_WHOLE_NODE = frozenset({Cause.INIT, Cause.SHUTDOWN})


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One failure and where it happened; `index` and `attempt` are None when it was not about a mini-batch."""

    failure: Failure
    node: int
    process: str
    index: int | None = None
    attempt: int | None = None
    final: bool = False  # the mini-batch, or part of it, was given up with it
    part: ItemRange | None = None

    @property
    def order(self) -> tuple[int, int, int, str]:
        """Places occurrences: those that are not about a mini-batch first, then by mini-batch and attempt."""
        nowhere = -1
        index = nowhere if self.index is None else self.index
        return index, nowhere if self.attempt is None else self.attempt, self.node, self.process


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failures with the same cause, the same last line of user code and the same message but for its values."""

    first: Occurrence
    count: int
    mini_batches: tuple[int, ...]  # sorted, each once
    given_up: int  # mini-batches that ended with a failure of this kind
    items_given_up: int = 0  # items of others that were isolated, and ended so

    @property
    def concerns_nodes(self) -> bool:
        """Whether it is about starting or ending the script rather than about mini-batches."""
        return self.first.index is None

    def rank(self) -> tuple[bool, int, int]:
        """Orders groups: what keeps the script from starting first, then by mini-batches given up, then by number."""
        return not self.concerns_nodes, -self.given_up - self.items_given_up, -self.count


@dataclass(frozen=True, slots=True)
class StepSource:
    """Where the code of a step comes from: `code` is the folder it was taken from, None when unknown."""

    run: str
    step: str
    code: str | None

    def restore(self, text: str) -> str:
        """`text` with the paths of nodes' own copies of the code replaced by the author's own paths."""
        if self.code is None:
            return text
        copies = rf"/(?:[^\s\"']*/)?{re.escape(self.run)}-{re.escape(self.step)}(?:-\d+)?-\w+/code(?=/)"
        return re.sub(copies, lambda _: str(self.code).rstrip("/"), text)


def may_be_code(cause: Cause) -> bool:
    """Whether a failure of this cause may be mended in the user's code: what nodes, data or servers did cannot."""
    return cause not in _NOT_BY_CODE


def occurrences(failures: Iterable[FailedAttempt], events: Iterable[tuple[int, Event]]) -> list[Occurrence]:
    """Failed attempts and nodes' events as one list."""
    about_nodes = [Occurrence(e.failure, node, e.process) for node, e in events if e.failure is not None]
    about_batches = [
        Occurrence(f.failure, f.node, f.process, f.index, f.attempt, final=f.status.is_final, part=f.part)
        for f in failures
    ]
    return about_nodes + about_batches


def group(found: Sequence[Occurrence], source: StepSource) -> tuple[FailureGroup, ...]:
    """The groups: what keeps the script from starting first, then by mini-batches given up, then by number."""
    by_kind: dict[Kind, list[Occurrence]] = {}
    for occurrence in sorted(found, key=lambda o: o.order):
        by_kind.setdefault(kind_of(occurrence.failure, source), []).append(occurrence)
    return tuple(sorted((group_of(alike) for alike in by_kind.values()), key=FailureGroup.rank))


def group_of(alike: Sequence[Occurrence]) -> FailureGroup:
    """The group of these, which are in order and of one kind."""
    indexes = {o.index for o in alike if o.index is not None}
    given_up = {o.index for o in alike if o.final and o.part is None}
    items = {(o.index, o.part): o.part.items for o in alike if o.final and o.part is not None}
    # The traceback of a last try is the one that counted.
    first = next((o for o in alike if o.final), alike[0])
    return FailureGroup(first, len(alike), tuple(sorted(indexes)), len(given_up), sum(items.values()))


Kind = tuple[Cause, str, str]
"""What failures that are alike have in common: cause, last line of user code, shape of the message."""


def kind_of(failure: Failure, source: StepSource) -> Kind:
    """The kind of a failure."""
    return failure.cause, last_frame(source.restore(failure.traceback)), shape(failure.message)


def last_frame(traceback: str) -> str:
    """`file:line` of the innermost frame of a traceback; "" when it has none."""
    found = ""
    for match in _FRAME.finditer(traceback):
        found = f"{match['file']}:{match['line']}"
    return found


def shape(message: str) -> str:
    """The message without what differs between failures of one kind."""
    return _VARIABLE.sub("…", message)
