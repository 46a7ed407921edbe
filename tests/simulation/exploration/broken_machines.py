"""The step machine broken on purpose, one rule at a time: what the explorer has to find."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from fanout.records.verdict import Verdict, VerdictStatus
from fanout.supervision import step_machine
from fanout.supervision.step_machine import (
    Do,
    LookAgain,
    Memory,
    SealStep,
    StopNodes,
)


def _instead(name: str, rule: Callable[..., Any]) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: patch.object(step_machine, name, rule)


def _resends_at_once(rules: Any, facts: Any, memory: Memory, now: float) -> Any:
    """An empty queue is taken for lost messages, though results may not have been read."""
    decision = _lost_messages(rules, facts, memory, now)
    if decision is None and memory.empty is not None and not facts.resent:
        return Do.RESEND, replace(memory, empty=None)
    return decision


def _resends_unread(rules: Any, facts: Any, memory: Memory, now: float) -> Any:
    """What nodes have committed by now is not read before messages are sent again."""
    decision = _lost_messages(rules, facts, memory, now)
    return (Do.RESEND, memory) if decision is not None and decision[0] is Do.READ_ALL else decision


def _completes_early(rules: Any, counts: Any) -> Any:
    """Done is what has been planned so far, though planning goes on."""
    settled = counts.succeeded > 0 and counts.total is None
    return _verdict_of(rules, replace(counts, total=counts.settled) if settled else counts)


def _betters(rules: Any, counts: Any, decided: Verdict) -> Verdict:
    """A success that comes while the nodes are being stopped betters the verdict."""
    return _verdict_of(rules, counts) or decided


def _believes_at_once(facts: Any, memory: Memory) -> Any:
    """What nodes that are gone have left behind is not read."""
    if facts.trouble is not None:
        return step_machine._failed(facts.trouble, memory)
    return _trouble(facts, memory)


def _drains_early(rules: Any, facts: Any, memory: Memory, now: float) -> Any:
    """Dead letters are drained while the plan is being made."""
    if memory.does_seldom and facts.asked and facts.canceled is None and not facts.drained:
        return Do.DRAIN_DEAD, memory
    return _seldom(rules, facts, memory, now)


def _does_not_weigh(rules: Any, facts: Any, memory: Memory) -> Any:
    """A failure counts before it is asked whether the node is to blame."""
    return _by_counts(replace(rules, fences=False), facts, memory)


def _forgets_reopened(rules: Any, facts: Any, memory: Memory) -> Any:
    """What was given up on a fenced node is not sent anew."""
    return _by_counts(rules, replace(facts, reopened=False), memory)


def _seals_unread(rules: Any, facts: Any, memory: Memory, now: float) -> Any:
    """Sealed while nodes are still there."""
    action, memory = _decide(rules, facts, memory, now)
    return (SealStep(memory.verdict), memory) if isinstance(action, StopNodes) and memory.verdict else (action, memory)


def _changes_its_mind(rules: Any, facts: Any, memory: Memory, now: float) -> Any:
    """A cancelation that comes while the nodes leave is another verdict."""
    action, after = _decide(rules, facts, memory, now)
    if isinstance(action, SealStep) and facts.canceled is None and not action.verdict.completed:
        return action, replace(after, verdict=Verdict(VerdictStatus.CANCELED, "late"))
    return action, after


def _no_news(rules: Any, facts: Any, memory: Memory, now: float) -> Memory:
    """The progress clock goes on when mini-batches come to an end."""
    return replace(_noted(rules, facts, memory, now), news=memory.news)


def _looks_again(rules: Any, facts: Any, memory: Memory, now: float) -> Any:
    """Nobody asks whether there are nodes."""
    action, after = _decide(rules, facts, memory, now)
    return (LookAgain(rules.pace.quickest), after) if action is Do.ASK_NODES else (action, after)


_lost_messages, _verdict_of, _trouble = step_machine._lost_messages, step_machine.verdict_of, step_machine._trouble
_seldom, _by_counts, _decide = step_machine._seldom, step_machine._by_counts, step_machine.decide
_noted = step_machine._noted

BROKEN: Mapping[str, Callable[[], AbstractContextManager[Any]]] = {
    "resends-at-once": _instead("_lost_messages", _resends_at_once),
    "resends-unread": _instead("_lost_messages", _resends_unread),
    "never-resends": _instead("_lost_messages", lambda *_: None),
    "completes-early": _instead("verdict_of", _completes_early),
    "betters-a-verdict": _instead("last_verdict", _betters),
    "believes-at-once": _instead("_trouble", _believes_at_once),
    "drains-early": _instead("_seldom", _drains_early),
    "ignores-cancelations": _instead("_seldom", lambda *_: None),
    "does-not-weigh": _instead("_by_counts", _does_not_weigh),
    "forgets-reopened": _instead("_by_counts", _forgets_reopened),
    "seals-unread": _instead("decide", _seals_unread),
    "changes-its-mind": _instead("decide", _changes_its_mind),
    "no-news": _instead("_noted", _no_news),
    "asks-no-nodes": _instead("decide", _looks_again),
}
