"""The machine of a parallel step: what follows from what is known of it. Pure.

`decide` takes the facts of one look, the moments that looks before have left, and the time; it returns actions. A
driver (`fanout.supervision.supervisor`) reads the facts from store and queue, carries the actions out and asks again,
until an action ends the look: `LookAgain` or `SealStep`. Facts are sums and changes; none is about one mini-batch.

The order of the rules, from first to last:

1. what fails on a bad node is no failure of the step, so evidence against nodes is weighed before failures count;
2. a threshold that is exceeded, or the last mini-batch, ends the step;
3. now and then: a cancelation, fences of other supervisors, dead letters, lost messages;
4. near the end: stragglers;
5. nodes that are gone for good, and time limits, end the step.
"""

from dataclasses import dataclass, replace
from enum import Enum

from fanout.pipeline.model import Thresholds
from fanout.queues.base import Depth
from fanout.records.verdict import Counts, Verdict, VerdictStatus, judge
from fanout.supervision.stragglers import is_near_end
from fanout.supervision.time_limits import TimeLimits

SELDOM = 2.0
"""Seconds between looks at what changes seldom: the dead-letter queue, a cancelation, lost messages."""
TAIL = 0.5
"""Seconds between looks for stragglers, each of which asks the queue how many messages wait."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a step is looked at, in seconds.

    Without news, the pause is `growth` times the last pause, or `share` of the time that the step has taken, whichever
    is longer. It is always at least `quickest` and at most `slowest`.
    """

    quickest: float
    slowest: float
    growth: float = 0.0
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that hold for the whole life of a step."""

    thresholds: Thresholds
    clocks: TimeLimits
    pace: Pace
    append_row: bool = False
    only_chosen: bool = False
    """A redrive of chosen mini-batches: what failed before and was not chosen cannot end the round early."""
    speculates: bool = False
    fences: bool = False
    """Whether nodes on which everything fails are fenced."""
    shares_queue: bool = False
    """Whether mini-batches of other runs are in the same queues: then its dead letters are drained for all at once."""
    depth_lag: float = 0.0
    """Seconds that the number of messages in the queue may lag behind."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What one look has found so far.

    `began` is when the look began. A field that only an action can fill is None or False until that action was carried
    out in this look.
    """

    began: float
    counts: Counts
    attempts: int = 0  # that nodes have committed, whatever came of them
    planned: int = 0  # mini-batches that have been planned; all of them once counts.total is known
    fenced: int = 0  # nodes
    suspicion: bool = False  # attempts have failed since evidence was weighed
    reopened: bool = False  # mini-batches have no message any more, because their last try on a fenced node is none
    failed_starts: int = 0  # of the script, in a row, on all nodes
    last_failed_start: str = ""
    weighed: bool | None = None  # by Weigh, with this `hinges`
    canceled: str | None = None  # who canceled the run, by READ_CANCELATION and CONFIRM_TROUBLE
    asked: bool = False  # by READ_CANCELATION
    followed: bool = False  # by FOLLOW
    drained: bool = False  # by DRAIN_DEAD
    depth: Depth | None = None  # of the work queue, by COUNT_MESSAGES
    read_all: bool = False  # by READ_ALL
    resent: bool = False  # by RESEND
    stragglers: tuple[int, ...] | None = None  # mini-batches, by FIND_STRAGGLERS
    asked_nodes: bool = False  # by ASK_NODES
    trouble: str | None = None  # why no node is left and none will come, by ASK_NODES
    confirmed: bool = False  # by CONFIRM_TROUBLE: all that the nodes have left behind is in the counts
    cause: str | None = None  # why the script cannot be started, by CONFIRM_TROUBLE
    left: bool = False  # by StopNodes: the nodes have left, and all that they committed is in the counts


@dataclass(frozen=True, slots=True)
class Memory:
    """What one look leaves for the next: moments on the supervisor's clock, and how far the step was.

    `news` is when the progress clock began to count. `empty` is since when the work queue has been empty while
    mini-batches are open. `seldom` is when the last look began that did the things done seldom; `tail` is when the last
    look began that looked for stragglers.

    `does_seldom`, `does_tail` and `moved` are about the look under way: whether it does the things done seldom, whether
    it looks for stragglers, and whether mini-batches came to an end. `verdict` is set once the step is to end.
    """

    begun: float
    news: float
    empty: float | None = None
    seldom: float = 0.0
    tail: float = 0.0
    does_seldom: bool = False
    does_tail: bool = False
    moved: bool = False
    settled: int = 0
    fenced: int = 0
    pause: float = 0.0
    verdict: Verdict | None = None


class Do(Enum):
    """Actions without parameters, each with what it does."""

    SEND_REOPENED = "send the messages of mini-batches anew whose last try was on a fenced node"
    READ_CANCELATION = "read whether the run was canceled"
    FOLLOW = "use the newest queues of the step, and count by the fences that other supervisors have set"
    DRAIN_DEAD = "record what is in the dead-letter queue as results"
    COUNT_MESSAGES = "ask the work queue how many messages it holds"
    READ_ALL = "read everything that nodes have committed by now"
    RESEND = "send the messages of all open mini-batches anew: they were lost"
    FIND_STRAGGLERS = "find mini-batches that take far longer than the others"
    ASK_NODES = "ask whether no node is left and none will come"
    CONFIRM_TROUBLE = "read what nodes that are gone have left behind, and whether the run was canceled"


@dataclass(frozen=True, slots=True)
class Weigh:
    """Weigh the evidence against nodes, and fence those that do harm; `hinges`: the verdict depends on it."""

    hinges: bool


@dataclass(frozen=True, slots=True)
class Speculate:
    """Try these mini-batches a second time, beside the tries that are under way."""

    indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StopNodes:
    """Stop the nodes, then read all that they committed.

    When `graceful`, the nodes run shutdown() and leave; else they stop what they do.
    """

    graceful: bool


@dataclass(frozen=True, slots=True)
class LookAgain:
    """The look is over; the next one is due after `after` seconds."""

    after: float


@dataclass(frozen=True, slots=True)
class SealStep:
    """The step is over; its seal states this verdict."""

    verdict: Verdict


Action = Do | Weigh | Speculate | StopNodes | LookAgain | SealStep
Decision = tuple[Action, Memory]


def begin_look(memory: Memory) -> Memory:
    """Returns the memory for the beginning of the next look."""
    return replace(memory, does_seldom=False, does_tail=False, moved=False)


def decide(rules: Rules, facts: Facts, memory: Memory, now: float) -> Decision:
    """Returns the next action of a look, and the memory to go on with."""
    if memory.verdict is not None:
        if not facts.left:
            return StopNodes(memory.verdict.completed), memory
        return SealStep(last_verdict(rules, facts.counts, memory.verdict)), memory
    memory = _noted(rules, facts, memory, now)
    return (
        _by_counts(rules, facts, memory)
        or _seldom(rules, facts, memory, now)
        or _stragglers(facts, memory)
        or _trouble(facts, memory)
        or _by_time(rules, facts, memory, now)
        or _look_again(rules, facts, memory, now)
    )


def verdict_of(rules: Rules, counts: Counts) -> Verdict | None:
    """Returns the verdict that the counts give; None while the step goes on."""
    if rules.only_chosen and not counts.finished:
        return None
    return judge(counts, rules.thresholds, append_row=rules.append_row)


def last_verdict(rules: Rules, counts: Counts, decided: Verdict) -> Verdict:
    """Returns the verdict after everything was read, since what was committed last may have changed the counts.

    A step whose nodes were stopped before it was over does not become Completed.
    """
    again = verdict_of(rules, counts)
    if again is None or decided.status is VerdictStatus.CANCELED or (again.completed and not decided.completed):
        return decided
    return again


def with_canceled(counts: Counts) -> Counts:
    """Returns the counts at the end of a step.

    Mini-batches that are not settled count as canceled, so that the counts add up (promise I1).
    """
    total = counts.total if counts.total is not None else counts.settled
    return replace(counts, total=total, canceled=total - counts.settled + counts.canceled)


def _noted(rules: Rules, facts: Facts, memory: Memory, now: float) -> Memory:
    """Returns the memory with all changes that follow from the facts and from no action."""
    settled = facts.counts.settled
    if settled > memory.settled or facts.fenced != memory.fenced:
        memory = replace(memory, news=now, moved=True, empty=None)
    if settled != memory.settled or facts.fenced != memory.fenced:
        memory = replace(memory, settled=settled, fenced=facts.fenced)
    if facts.began - memory.seldom >= SELDOM:
        memory = replace(memory, seldom=facts.began, does_seldom=True)
    if rules.speculates and facts.began - memory.tail >= TAIL:
        memory = replace(memory, tail=facts.began, does_tail=True)
    return memory if facts.depth is None or facts.resent else _with_depth(rules, facts.depth, memory, now)


def _with_depth(rules: Rules, depth: Depth, memory: Memory, now: float) -> Memory:
    if rules.shares_queue and depth.visible:
        memory = replace(memory, news=now)  # what waits behind other runs for a worker to be free is no standstill
    if depth.total:
        return replace(memory, empty=None)
    return memory if memory.empty is not None else replace(memory, empty=now)


def _by_counts(rules: Rules, facts: Facts, memory: Memory) -> Decision | None:
    """Decides by the counts, after the evidence against nodes was weighed."""
    verdict = verdict_of(rules, facts.counts)
    hinges = verdict is not None
    if rules.fences and facts.weighed is not True and (hinges or (facts.suspicion and facts.weighed is None)):
        return Weigh(hinges), memory
    if verdict is not None:
        return _end(verdict, memory)
    if rules.fences and facts.reopened and facts.counts.total is not None:
        return Do.SEND_REOPENED, memory
    return None


def _seldom(rules: Rules, facts: Facts, memory: Memory, now: float) -> Decision | None:
    """Decides what is done only now and then, one thing after the other."""
    if not memory.does_seldom:
        return None
    if not facts.asked:
        return Do.READ_CANCELATION, memory
    if facts.canceled is not None:
        return _canceled(facts.canceled, memory)
    if not facts.followed:
        return Do.FOLLOW, memory
    if facts.counts.total is None:
        # While the plan is being made a letter may be about a mini-batch that is not counted yet, and an empty queue
        # means nothing.
        return None
    if not rules.shares_queue and not facts.drained:
        return Do.DRAIN_DEAD, memory
    return _lost_messages(rules, facts, memory, now)


def _lost_messages(rules: Rules, facts: Facts, memory: Memory, now: float) -> Decision | None:
    """Decides whether messages were lost: neither the queue nor the results know of them.

    The queue is given time to count its messages first.
    """
    if facts.depth is None:
        return Do.COUNT_MESSAGES, memory
    if facts.resent:
        return None
    if facts.read_all:
        return Do.RESEND, replace(memory, empty=None)
    if memory.empty is not None and now - memory.empty >= rules.depth_lag + SELDOM:
        return Do.READ_ALL, memory
    return None


def _stragglers(facts: Facts, memory: Memory) -> Decision | None:
    """Near the end of a step, decides whether to try a second time what takes far longer than other mini-batches."""
    if not memory.does_tail or not is_near_end(facts.counts):
        return None
    if facts.stragglers is None:
        return Do.FIND_STRAGGLERS, memory
    return (Speculate(facts.stragglers), memory) if facts.stragglers else None


def _trouble(facts: Facts, memory: Memory) -> Decision | None:
    """Ends the step when no node is left and none will come.

    The step is canceled when the run was: nodes look for a cancelation themselves, and may have seen it first.
    """
    if not facts.asked_nodes:
        return Do.ASK_NODES, memory
    if facts.trouble is None:
        return None
    if not facts.confirmed:
        return Do.CONFIRM_TROUBLE, memory
    if facts.canceled is not None:
        return _canceled(facts.canceled, memory)
    reason = f"the entry script cannot be started: {facts.cause}" if facts.cause is not None else facts.trouble
    return _failed(reason, memory)


def _by_time(rules: Rules, facts: Facts, memory: Memory, now: float) -> Decision | None:
    """Ends the step when a time limit has run out."""
    since_start, clocks = now - memory.begun, rules.clocks
    if (failing := clocks.cannot_start(failures=facts.failed_starts, since_start=since_start)) is not None:
        return _failed(f"{failing}: {facts.last_failed_start}", memory)
    reason = clocks.overrun(
        planned=facts.planned,
        since_start=since_start,
        since_progress=now - memory.news,
        has_results=facts.attempts > 0,
    )
    return None if reason is None else _failed(reason, memory)


def _look_again(rules: Rules, facts: Facts, memory: Memory, now: float) -> Decision:
    pause = next_pause(rules.pace, facts.counts, now - memory.begun, memory.pause, news=memory.moved)
    return LookAgain(pause), replace(memory, pause=pause)


def next_pause(pace: Pace, counts: Counts, seconds: float, last: float, *, news: bool) -> float:
    """Returns the seconds until the next look: half of the time that the step still needs, or longer without news.

    Every look costs about a millisecond of processor time that user code could use. The last look should come early.
    """
    if not news:
        wanted = max(pace.growth * last, pace.share * seconds)
    elif counts.total is None:
        wanted = pace.slowest / 2
    else:
        wanted = (counts.total - counts.settled) * seconds / max(1, counts.settled) / 2
    return min(pace.slowest, max(pace.quickest, wanted))


def _end(verdict: Verdict, memory: Memory) -> Decision:
    return StopNodes(verdict.completed), replace(memory, verdict=verdict)


def _failed(reason: str, memory: Memory) -> Decision:
    return _end(Verdict(VerdictStatus.FAILED, reason), memory)


def _canceled(reason: str, memory: Memory) -> Decision:
    return _end(Verdict(VerdictStatus.CANCELED, reason), memory)
