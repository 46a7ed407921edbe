"""How long a server that does not do what it should is asked again, and with which pauses.

One bound for store and queue, since a run waits for both.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from fanout.backoff import SERVERS

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

RETRY_BUDGET = 120.0
"""Seconds for which a request is tried again: S3 needs up to a minute to scale, a restart of a server about as long."""
LOOKUP_BUDGET = 10.0
"""The same for commands that only look: a person waits for them."""


def retry_config(patience: float) -> "RetryConfig":
    """For obstore: `patience` is the bound, not the number of tries.

    It draws each pause between the first one and `base` times the one before. With a base below e these do not grow:
    eight tries at base 2 were over in 1.7 seconds.
    """
    return {
        "max_retries": 1000,
        "retry_timeout": timedelta(seconds=patience),
        "backoff": {
            "init_backoff": timedelta(seconds=SERVERS.first),
            "max_backoff": timedelta(seconds=_longest_pause(patience)),
            "base": 4,
        },
    }


def client_config(patience: float) -> "ClientConfig":
    """For obstore: a server that says nothing for a quarter of `patience` counts as one that does not answer.

    Its deadline for a whole request is a matter of the size of the object, which may take minutes.
    """
    return {
        "connect_timeout": _milliseconds(min(5.0, answer_limit(patience))),
        "read_timeout": _milliseconds(answer_limit(patience)),
        "timeout": "15m",
    }


def answer_limit(patience: float) -> float:
    """Seconds that one try waits for the server to say anything."""
    return max(1.0, patience / 4)  # a busy server may need as much


def pauses(patience: float) -> Iterator[float]:
    """Seconds between tries, without end: up to twice as long each time, with full jitter."""
    return replace(SERVERS, longest=_longest_pause(patience)).pauses()


def _longest_pause(patience: float) -> float:
    return max(SERVERS.first, min(SERVERS.longest, patience / 8))


def _milliseconds(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"
