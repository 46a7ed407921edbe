"""How runs that a trigger starts are called: the same for the same objects, wherever and how often. Pure."""

import hashlib
import re
from collections.abc import Sequence

from fanout.triggers.event import ObjectEvent

_LONGEST_STEM = 40
_DIGITS = 16


def run_name(trigger: str, events: Sequence[ObjectEvent]) -> str:
    """`<trigger>-<name of the object>-<digits>`, or `<trigger>-<n>-objects-<digits>` of several, in any order."""
    identities = sorted(event.identity for event in events)
    digest = hashlib.sha256("\n".join([trigger, *identities]).encode()).hexdigest()[:_DIGITS]
    return "-".join(filter(None, (trigger, _what(events), digest)))


def is_of_trigger(run: str, trigger: str) -> bool:
    """Whether a run has a name that this trigger gives."""
    return re.fullmatch(rf"{re.escape(trigger)}-(?:.*-)?[0-9a-f]{{{_DIGITS}}}", run) is not None


def _what(events: Sequence[ObjectEvent]) -> str:
    if len(events) > 1:
        return f"{len(events)}-objects"
    stem = events[0].key.rpartition("/")[2].rpartition(".")[0] or events[0].key.rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9_]+", "-", stem)[:_LONGEST_STEM].strip("-")


def below_watched(key: str, prefix: str) -> str:
    """The key below the last folder of the prefix: what `${{trigger.key}}` stands for."""
    return key[prefix.rfind("/") + 1 :]
