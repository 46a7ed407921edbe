"""Tries again what obstore does not.

obstore itself repeats a request until its answer begins, and goes on reading objects where they broke off; but pages of
a listing, answers to writes that come in a body, and conditional writes that were not answered, it gives up at once.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from obstore.store import ObjectStore

from fanout.errors import StoreError
from fanout.storage.pending import waiting
from fanout.storage.retry_budget import pauses

T = TypeVar("T")

# Not a refusal but no whole answer; or an upload that is no longer known, as its completion was carried out unheard.
_UNANSWERED = ("HTTP error:", "<Code>NoSuchUpload<")


class Tries:
    """The tries of one thing that `store` is asked for: bounded in time, with pauses in between."""

    def __init__(self, store: ObjectStore) -> None:
        self._begun, self.patience, self.where = time.monotonic(), retry_budget_of(store), endpoint(store)
        self._pauses = pauses(self.patience)

    def pause_after(self, error: StoreError) -> float:
        """Seconds until the next try; raises `error`, with the time spent on retries, when there is none."""
        seconds = time.monotonic() - self._begun
        if not is_unanswered(error) or seconds >= self.patience:
            raise self._reported(error, seconds) from error.__cause__
        return next(self._pauses)

    def _reported(self, error: StoreError, seconds: float) -> StoreError:
        if not is_unanswered(error) or " tried " in str(error):  # obstore has said so
            return error
        return StoreError(f"{error}; tried for {seconds:.1f} s at {self.where}")


async def with_retries(store: ObjectStore, job: Callable[[], Awaitable[T]]) -> T:
    """What `job` returns, started anew as long as it is not answered and `store` has patience; it may run twice."""
    if not (patience := retry_budget_of(store)):
        return await job()  # no network in between
    tries = Tries(store)
    with waiting(tries.where, patience):
        while True:
            try:
                return await job()
            except StoreError as exc:
                pause = tries.pause_after(exc)
            await asyncio.sleep(pause)


def asked(store: ObjectStore) -> AbstractContextManager[None]:
    """While the context lasts a request to `store` is without an answer: it is said when that takes long."""
    return waiting(endpoint(store), patience) if (patience := retry_budget_of(store)) else nullcontext()


def is_unanswered(error: StoreError) -> bool:
    """Whether the server has said neither yes nor no."""
    text = str(error.__cause__ or error)
    return any(sign in text for sign in _UNANSWERED)


def retry_budget_of(store: ObjectStore) -> float:
    """Seconds for which requests to `store` are tried again; 0 where there is no network in between."""
    config = getattr(store, "retry_config", None) or {}
    timeout = config.get("retry_timeout")
    return 0.0 if timeout is None else float(timeout.total_seconds())


def endpoint(store: ObjectStore) -> str:
    """The server behind a store, for people."""
    config = getattr(store, "config", None) or {}
    if found := config.get("endpoint"):
        return str(found)
    if (bucket := config.get("bucket")) is not None:
        return f"AWS S3 (bucket {bucket}, {config.get('region')})"
    return str(getattr(store, "url", "") or type(store).__name__)
