"""Explores the decisions of the step machine without a store: facts change at random, and each decision is checked.

A world here is a few counters: what became of each mini-batch, where its messages are, what two supervisors have read
of it. Before and after every decision anything may happen: results, lost messages, nodes that vanish, dead letters,
fences, cancelations, clocks that jump, supervisors that die, a second one that seals first. After every decision each
promise of docs/reliability.md that the machine answers for is checked. A state is a world between two such steps.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from fanout.pipeline.model import Thresholds
from fanout.queues.base import Depth
from fanout.records.verdict import Counts, Verdict, VerdictStatus, judge
from fanout.supervision import step_machine
from fanout.supervision.step_machine import (
    SELDOM,
    Action,
    Do,
    Facts,
    LookAgain,
    Memory,
    Pace,
    Rules,
    SealStep,
    Speculate,
    StopNodes,
    Weigh,
    begin_look,
    with_canceled,
)
from fanout.supervision.time_limits import TimeLimits

STEPS = 400
"""States of a world, at most."""
LOOK_LIMIT = 30
"""Decisions after which a look that has not ended never will."""
NONE, SUCCEEDED, FAILED, DEAD = range(4)


class BrokenError(Exception):
    """A promise is broken; says which, and by which decision."""


@dataclass(slots=True)
class Batch:
    """One mini-batch: what is committed of it, and where its messages are."""

    outcome: int = NONE
    on_bad: bool = False  # its failure is from the node that does harm
    waiting: int = 0
    held: int = 0
    dead: int = 0
    copied: bool = False


@dataclass(slots=True)
class World:
    """What there is, whoever looks at it."""

    chance: random.Random
    rules: Rules
    batches: list[Batch]
    now: float = 1000.0
    planned: int = 0
    published: bool = False
    canceled_at: float | None = None
    gone_at: float | None = None  # since when no node is left
    settled_at: float = 1000.0
    fenced: bool = False
    suspicion: bool = False
    failed_starts: int = 0
    seal: tuple[Verdict, Counts] | None = None
    supervisors: list["Supervising"] = field(default_factory=list)

    def outcomes(self) -> tuple[int, ...]:
        """What counts of each mini-batch: a failure on a fenced node does not."""
        return tuple(NONE if self.fenced and b.on_bad and b.outcome == FAILED else b.outcome for b in self.batches)

    def depth(self) -> Depth:
        return Depth(sum(b.waiting for b in self.batches), sum(b.held for b in self.batches), 0)


@dataclass(slots=True)
class Supervising:
    """One supervisor: its memory, what it has read, and what it has found in this look."""

    memory: Memory
    seen: tuple[int, ...] = ()
    fenced: bool = False
    weighed: bool = False  # there is no evidence that it has not weighed
    reopened: bool = False  # it has fenced a node, and has not sent anew what that gave up
    began: float = 0.0
    found: dict[str, Any] | None = None
    decisions: int = 0
    depth_empty: bool = False
    done: bool = False


def explore(seed: int, decide: Callable[..., Any] | None = None) -> Iterator[int]:
    """Worlds without end, each from a seed of its own; yields how many states each had. BrokenError names the world."""
    chance = random.Random(seed)
    decide = decide or step_machine.decide
    while True:
        number = chance.randrange(2**48)
        try:
            yield walk(number, decide)
        except BrokenError as exc:
            raise BrokenError(f"world {number}: {exc}") from None


def walk(number: int, decide: Callable[..., Any]) -> int:
    """One world to its seal, or as far as it comes; how many states it had."""
    world = _world(random.Random(number))
    draw, supervisors = world.chance.random, world.supervisors
    for state in range(STEPS):
        if draw() < 0.45:
            _happen(world)
        else:
            supervisor = supervisors[0] if draw() < 0.7 else supervisors[-1]
            if supervisor.done:
                return state
            _decide(world, supervisor, decide)
    return STEPS


def _world(chance: random.Random) -> World:
    share = chance.random()
    thresholds = Thresholds() if share < 0.5 else Thresholds(-1, chance.choice((0, 1)), chance.choice((100.0, 40.0)))
    shared = chance.random() < 0.3
    rules = Rules(
        thresholds,
        TimeLimits(60.0, chance.choice((20.0, 120.0)), 4, 0.0),
        Pace(1.0, 30.0, share=0.1) if shared else Pace(0.02, 0.25, growth=1.5),
        append_row=False,
        speculates=chance.random() < 0.3,
        fences=not shared and chance.random() < 0.6,
        shares_queue=shared,
        depth_lag=chance.choice((0.0, 0.0, 5.0)),
    )
    world = World(chance, rules, [Batch() for _ in range(chance.choice((1, 2, 3, 4)))])
    world.supervisors = [_supervising(world) for _ in range(1 if chance.random() < 0.6 else 2)]
    return world


def _supervising(world: World) -> Supervising:
    """One that has just come: it has read nothing, and takes what it reads first for no news."""
    now = world.now
    memory = Memory(now, now, seldom=now, tail=now, pause=world.rules.pace.quickest)
    outcomes = world.outcomes()
    settled = sum(1 for each in outcomes if each)
    return Supervising(replace(memory, settled=settled, fenced=int(world.fenced)), outcomes, world.fenced)


# What happens by itself.


def _happen(world: World) -> None:
    EVENTS[int(world.chance.random() * len(EVENTS))](world)


def _some(world: World) -> Batch:
    return world.batches[int(world.chance.random() * len(world.batches))]


def _plan(world: World) -> None:
    if world.planned < len(world.batches):
        world.batches[world.planned].waiting += 1
        world.planned += 1
    else:
        world.published = True


def _take(world: World) -> None:
    batch = _some(world)
    if batch.waiting and world.gone_at is None:
        batch.waiting, batch.held = batch.waiting - 1, batch.held + 1


def _commit(world: World) -> None:
    """A node commits an outcome, and then deletes the message; or it dies in between."""
    batch = _some(world)
    if not batch.held or world.gone_at is not None:
        return
    failed = world.chance.random() < 0.25
    if not batch.outcome:
        world.settled_at = world.now
    if not batch.outcome or (batch.outcome != SUCCEEDED and not failed):
        batch.outcome = FAILED if failed else SUCCEEDED
        batch.on_bad = failed and world.chance.random() < 0.5
        if failed:
            _suspect(world)
    if world.chance.random() < 0.9:
        batch.held -= 1


def _suspect(world: World) -> None:
    world.suspicion = True
    for supervisor in world.supervisors:
        supervisor.weighed = False


def _vanish(world: World) -> None:
    """A node dies with a mini-batch: its message comes back, or is given up."""
    batch = _some(world)
    if batch.held:
        batch.held -= 1
        if world.chance.random() < 0.7:
            batch.waiting += 1
        else:
            batch.dead += 1


def _lose(world: World) -> None:
    if world.chance.random() < 0.2:
        batch = _some(world)
        batch.waiting = 0
        if world.chance.random() < 0.5:
            batch.held = 0


def _cancel(world: World) -> None:
    if world.canceled_at is None and world.chance.random() < 0.02:
        world.canceled_at = world.now


def _all_gone(world: World) -> None:
    if world.gone_at is None and world.chance.random() < 0.02:
        world.gone_at = world.now
        for batch in world.batches:
            batch.waiting, batch.held = batch.waiting + batch.held, 0


def _pass_time(world: World) -> None:
    chance = world.chance
    world.now += chance.choice((0.001, 0.05, 0.6, 2.1)) if chance.random() < 0.98 else chance.choice((25.0, 130.0))


def _fail_to_start(world: World) -> None:
    world.failed_starts = 0 if world.chance.random() < 0.5 else world.failed_starts + 1


def _die(world: World) -> None:
    """A supervisor dies, whatever it was doing, and another takes its place with what the store holds."""
    if world.chance.random() < 0.05:
        place = int(world.chance.random() * len(world.supervisors))
        if not world.supervisors[place].done:
            world.supervisors[place] = _supervising(world)


EVENTS: tuple[Callable[[World], None], ...] = (
    _plan,
    _take,
    _take,
    _commit,
    _commit,
    _vanish,
    _lose,
    _cancel,
    _all_gone,
    _pass_time,
    _pass_time,
    _fail_to_start,
    _die,
)


# What a supervisor does.


def _facts(world: World, s: Supervising) -> Facts:
    assert s.found is not None
    return Facts(
        s.began,
        _counts(world, s.seen),
        sum(1 for each in s.seen if each),
        world.planned,
        int(s.fenced),
        world.suspicion and not s.weighed,
        s.reopened,
        world.failed_starts,
        "RuntimeError: no model",
        **s.found,
    )


def _counts(world: World, seen: tuple[int, ...]) -> Counts:
    succeeded, failed, dead = seen.count(SUCCEEDED), seen.count(FAILED), seen.count(DEAD)
    total = len(world.batches) if world.published else None
    lost = failed + dead
    items = {"items": succeeded + lost, "items_succeeded": succeeded, "items_failed": lost, "rows": succeeded}
    return Counts(total, succeeded, failed, dead, **items)


def _read(world: World, s: Supervising) -> None:
    s.seen = world.outcomes() if world.fenced == s.fenced else _as_counted(world, fenced=s.fenced)


def _as_counted(world: World, *, fenced: bool) -> tuple[int, ...]:
    """What one reads that does not know of the fence yet."""
    return world.outcomes() if fenced else tuple(batch.outcome for batch in world.batches)


def _decide(world: World, s: Supervising, decide: Callable[..., Any]) -> None:
    if s.found is None:  # a look begins
        _read(world, s)
        s.began, s.memory, s.found, s.decisions = world.now, begin_look(s.memory), {}, 0
    before, facts = s.memory, _facts(world, s)
    action, memory = decide(world.rules, facts, before, world.now)
    s.decisions += 1
    _check(world, s, facts, before, action, memory)
    s.memory = memory
    _carry_out(world, s, action)


def _carry_out(world: World, s: Supervising, action: Action) -> None:
    found = s.found
    assert found is not None
    match action:
        case LookAgain(after):
            s.found = None
            world.now += after * world.chance.random()
            if world.rules.shares_queue:  # the next look may be that of another container
                m = s.memory
                s.memory = Memory(m.begun, m.news, m.empty, settled=m.settled, fenced=m.fenced)
        case SealStep(verdict):
            world.seal = world.seal or (verdict, with_canceled(_counts(world, s.seen)))
            s.done = True
        case Weigh(hinges):
            found["weighed"], s.weighed = hinges, True
            if (hinges or world.chance.random() < 0.3) and any(b.on_bad for b in world.batches):
                world.fenced = s.fenced = s.reopened = True
                _read(world, s)
        case Do.READ_CANCELATION:
            found |= {"asked": True, "canceled": _canceled(world)}
        case Do.FOLLOW:
            found["followed"], s.fenced = True, world.fenced
            _read(world, s)
        case Do.DRAIN_DEAD:
            found["drained"] = True
            _drain(world)
        case Do.COUNT_MESSAGES:
            found["depth"] = world.depth()
        case Do.READ_ALL:
            found["read_all"] = True
            _read(world, s)
        case Do.RESEND:
            found["resent"] = True
            _send_open(world, s)
        case Do.FIND_STRAGGLERS:
            held = [i for i, b in enumerate(world.batches) if b.held and not b.copied and not s.seen[i]]
            found["stragglers"] = tuple(held) if world.chance.random() < 0.5 else ()
        case Speculate(indexes):
            found["stragglers"] = ()
            for index in indexes:
                world.batches[index].waiting += not world.batches[index].copied
                world.batches[index].copied = True
        case Do.ASK_NODES:
            found |= {"asked_nodes": True, "trouble": "no node is left" if world.gone_at is not None else None}
        case Do.CONFIRM_TROUBLE:
            _read(world, s)
            found |= {"confirmed": True, "canceled": _canceled(world)}
        case StopNodes():
            found["left"] = True
            _read(world, s)
        case Do.SEND_REOPENED:
            s.reopened = False
            _send_open(world, s)


def _canceled(world: World) -> str | None:
    return None if world.canceled_at is None else "somebody canceled the run"


def _send_open(world: World, s: Supervising) -> None:
    for batch, outcome in zip(world.batches, s.seen, strict=True):
        batch.waiting += outcome == NONE


def _drain(world: World) -> None:
    for batch in world.batches:
        if batch.dead:
            batch.dead = 0
            if not batch.outcome:
                batch.outcome, world.settled_at = DEAD, world.now


# What must hold.


def _check(world: World, s: Supervising, facts: Facts, before: Memory, action: Action, memory: Memory) -> None:
    """Every promise, by one decision."""
    if s.decisions > LOOK_LIMIT:
        raise BrokenError(f"a look does not come to an end: {action}")
    if before.verdict is not None and (
        memory.verdict != before.verdict or not isinstance(action, StopNodes | SealStep)
    ):
        raise BrokenError(f"I4: {before.verdict} was decided, and then {action}")
    match action:
        case LookAgain(after):
            _check_look_again(world, s, facts, memory, after)
        case SealStep(verdict):
            _check_seal(world, facts, memory, verdict)
        case StopNodes(graceful):
            _check_stop(world, facts, before, memory, graceful=graceful)
        case Do.RESEND:
            _check_resend(facts)
        case Do.READ_ALL:
            _check_patience(world, memory)
        case Do.DRAIN_DEAD if facts.counts.total is None:
            raise BrokenError("I1: dead letters are drained before the plan is complete")
        case Speculate(indexes):
            if not world.rules.speculates or facts.counts.finished or not indexes:
                raise BrokenError(f"I6: {action} is not wanted")


def _check_look_again(world: World, s: Supervising, facts: Facts, memory: Memory, after: float) -> None:
    rules, now = world.rules, world.now
    if not rules.pace.quickest <= after <= rules.pace.slowest:
        raise BrokenError(f"a pause of {after} seconds")
    if judge(facts.counts, rules.thresholds, append_row=rules.append_row) is not None:
        raise BrokenError("I1: the step is over by its counts, and goes on")
    if world.canceled_at is not None and s.began - max(world.canceled_at, memory.begun) >= SELDOM:
        raise BrokenError("a cancelation is not answered")
    if world.gone_at is not None and world.gone_at < s.began:
        raise BrokenError("no node is left, and the step goes on")
    if facts.reopened and facts.counts.total is not None:
        raise BrokenError("what was given up on a fenced node has no message any more: the step hangs")
    depth = facts.depth
    if depth is None and memory.does_seldom and facts.counts.total is not None:
        raise BrokenError("messages are not counted: where they are lost, the step hangs")
    if depth is None or facts.resent or facts.counts.total is None:
        return
    if not depth.total and (memory.empty is None or now - memory.empty > rules.depth_lag + SELDOM + now - s.began):
        raise BrokenError("messages were lost, and are not sent again: the step hangs")
    longest = rules.clocks.progress + rules.clocks.init
    if now - memory.news > longest + now - s.began:
        raise BrokenError("the progress clock ran out, and the step goes on")


def _check_seal(world: World, facts: Facts, memory: Memory, verdict: Verdict) -> None:
    if memory.verdict is None or not facts.left:
        raise BrokenError("I4: sealed before the nodes had left and all was read")
    counts, rules = facts.counts, world.rules
    whole = with_canceled(counts)
    if whole.settled != whole.total:
        raise BrokenError(f"I1: the counts do not add up: {whole}")
    judged = judge(counts, rules.thresholds, append_row=rules.append_row)
    if verdict.completed and not (counts.finished and judged is not None and judged.completed):
        raise BrokenError(f"I3: completed with {counts}")
    if verdict.completed and not memory.verdict.completed:
        raise BrokenError("I3: a step whose nodes were stopped becomes Completed")
    if verdict.status is VerdictStatus.CANCELED and world.canceled_at is None:
        raise BrokenError("I3: canceled, and nobody asked for it")
    if judged is not None and judged.status is VerdictStatus.FAILED and verdict.completed:
        raise BrokenError(f"I3: {verdict}, but the counts make it {judged}")


def _check_stop(world: World, facts: Facts, before: Memory, memory: Memory, *, graceful: bool) -> None:
    verdict, rules = memory.verdict, world.rules
    if verdict is None or graceful is not verdict.completed:
        raise BrokenError(f"nodes are stopped (graceful: {graceful}) with {verdict}")
    if before.verdict is not None:
        return
    judged = judge(facts.counts, rules.thresholds, append_row=rules.append_row)
    if judged is not None:
        if rules.fences and facts.weighed is not True:
            raise BrokenError("failures on a bad node count: evidence was not weighed")
        if judged != verdict:
            raise BrokenError(f"I3: {verdict}, but the counts make it {judged}")
    elif verdict.status is VerdictStatus.CANCELED:
        if world.canceled_at is None:
            raise BrokenError("I3: canceled, and nobody asked for it")
    elif verdict.completed:
        raise BrokenError(f"I3: completed with {facts.counts}")
    else:
        _check_failed(world, facts, before, verdict)


def _check_failed(world: World, facts: Facts, before: Memory, verdict: Verdict) -> None:
    """Neither counts nor a cancelation end the step: nodes or clocks do."""
    clocks, now, began = world.rules.clocks, world.now, facts.began
    if "no node is left" in verdict.reason:
        if world.gone_at is None or not facts.confirmed:
            raise BrokenError("no node is left, but what they committed last was not read")
    elif "no progress" in verdict.reason:
        known = world.settled_at < began and not world.fenced
        if known and now - max(world.settled_at, before.begun) <= clocks.progress:
            raise BrokenError(f"there was progress: {verdict.reason}")
    elif "no mini-batch was created" in verdict.reason:
        if world.planned:
            raise BrokenError(verdict.reason)
    elif "could not be started" in verdict.reason:
        if world.failed_starts < clocks.init_failures or now - before.begun <= 120.0:
            raise BrokenError(verdict.reason)
    else:
        raise BrokenError(f"no reason: {verdict}")


def _check_resend(facts: Facts) -> None:
    if facts.counts.total is None or facts.counts.finished:
        raise BrokenError("I6: messages are sent again while they are being sent, or when all is done")
    if facts.depth is None or facts.depth.total or not facts.read_all:
        raise BrokenError("I6: messages are sent again while some are in the queue, or results are not read")


def _check_patience(world: World, memory: Memory) -> None:
    if memory.empty is None or world.now - memory.empty < world.rules.depth_lag + SELDOM:
        raise BrokenError("I6: messages are taken for lost before the queue has had time to count")
