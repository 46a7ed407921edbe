"""Requests to one SQS endpoint: the client, its errors as ours, and batches whose failed entries are sent again."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Any

from fanout.clock import Clock
from fanout.errors import MissingExtraError, QueueError, QueueGoneError, SettingsError
from fanout.queues.sqs_batches import Entry
from fanout.security.redaction import redact
from fanout.storage.access import Access
from fanout.storage.clock_skew import clock_trouble
from fanout.storage.credentials import client_arguments
from fanout.storage.pending import waiting
from fanout.storage.retry_budget import answer_limit, pauses

CONCURRENT_BATCHES = 8
CONNECTIONS = 64
LONGEST_POLL = 20
"""Seconds that SQS keeps a receive waiting at most."""
_PASSING = ("hrottl", "SlowDown", "RequestLimitExceeded", "RequestTimeout")
_MISSING = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NonExistentQueue")
_FINAL = ("Invalid", "MessageNotInflight", "UnsupportedOperation")


class SqsRequests:
    """The requests of one process; the client is made when the first one is sent."""

    def __init__(self, access: Access, clock: Clock) -> None:
        self.clock = clock
        self._access = access
        self._client: Any = None
        self._stack = AsyncExitStack()
        self._connecting = asyncio.Lock()
        self._slots = asyncio.Semaphore(CONCURRENT_BATCHES)

    async def call(self, action: str, *, wait: float = 0.0, **arguments: Any) -> Mapping[str, Any]:
        """The answer to one request, which may take `wait` seconds longer than others to come.

        Tried again while the server is unwell; else, and after the patience of `Access`, QueueError naming endpoint,
        action and code. A request whose answer was lost may have been carried out twice.
        """
        begun, patience, tries = self.clock.monotonic(), self._access.patience, 0
        with waiting(f"SQS at {self._where}", patience, longer=wait):
            for pause in pauses(patience):
                try:
                    return await self._once(action, wait, arguments)
                except _ServiceFailedError as exc:
                    tries, seconds = tries + 1, self.clock.monotonic() - begun
                    if seconds >= patience:
                        raise QueueError(f"{exc}; tried {tries} times in {seconds:.1f} s") from exc.__cause__
                await self.clock.sleep(pause)
        raise AssertionError  # there is always another pause

    async def _once(self, action: str, wait: float, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        client = self._client or await self._connect()
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            ConnectionError,  # noqa: A004 - botocore's own, of connections that cannot be made
            CredentialRetrievalError,
            HTTPClientError,
            NoCredentialsError,
            NoRegionError,
        )
        from botocore.parsers import ResponseParserError

        try:
            async with asyncio.timeout(wait + answer_limit(self._access.patience)):
                answer: Mapping[str, Any] = await getattr(client, action)(**arguments)
        except ClientError as exc:
            raise self._refused(action, exc.response) from exc
        except (NoCredentialsError, NoRegionError) as exc:
            raise _unsigned(exc) from exc
        except (
            ConnectionError,
            HTTPClientError,
            CredentialRetrievalError,
            ResponseParserError,
            TimeoutError,
            OSError,
        ) as exc:
            raise _ServiceFailedError(self._translated(action, redact(str(exc)) or "no answer")) from exc
        except BotoCoreError as exc:
            raise QueueError(self._translated(action, redact(str(exc)))) from exc
        return answer

    async def batches(self, action: str, url: str, parts: Iterable[Sequence[Entry]]) -> dict[str, str]:
        """The entries the server refused for good, id and reason; all others are done. Several requests at once."""
        answers = await asyncio.gather(*(self._batch(action, url, part) for part in parts), return_exceptions=True)
        refused: dict[str, str] = {}
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            refused |= answer
        return refused

    async def close(self) -> None:
        self._client = None
        await self._stack.aclose()

    async def _batch(self, action: str, url: str, entries: Sequence[Entry]) -> dict[str, str]:
        begun, patience = self.clock.monotonic(), self._access.patience
        pending, refused = list(entries), dict[str, str]()
        for pause in pauses(patience):
            async with self._slots:
                answer = await self.call(action, QueueUrl=url, Entries=pending)
            with understood(action):
                failed = {entry["Id"]: entry for entry in answer.get("Failed", ())}
                if strange := failed.keys() - {entry["Id"] for entry in pending}:
                    raise ValueError(f"it has failed entries that were not asked for: {sorted(strange)!r:.80}")
            refused |= {key: _reason(entry) for key, entry in failed.items() if is_final(entry)}
            pending = [entry for entry in pending if entry["Id"] in failed and entry["Id"] not in refused]
            if not pending:
                return refused
            if (seconds := self.clock.monotonic() - begun) >= patience:
                first = _reason(failed[str(pending[0]["Id"])])
                raise QueueError(self._translated(f"{action}, {len(pending)} entries, for {seconds:.1f} s", first))
            await self.clock.sleep(pause)
        raise AssertionError  # there is always another pause

    async def _connect(self) -> Any:
        async with self._connecting:
            if self._client is None:
                self._client = await self._stack.enter_async_context(_make_client(self._access))
            return self._client

    @property
    def _where(self) -> str:
        return self._access.endpoint_url_sqs or f"AWS, region {self._access.region or 'of the profile'}"

    def _translated(self, action: str, what: str) -> str:
        return f"SQS {action} at {self._where}: {what}"

    def _refused(self, action: str, response: Mapping[str, Any]) -> QueueError:
        error = response.get("Error", {})
        code, status = str(error.get("Code")), response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _MISSING:
            return QueueGoneError(self._translated(action, _reason(error)))
        if status >= 500 or status == 429 or any(sign in code for sign in _PASSING):
            return _ServiceFailedError(self._translated(action, _reason(error)))
        return QueueError(self._translated(action, clock_trouble(f"{code}: {error.get('Message')}") or _reason(error)))


@contextmanager
def understood(action: str) -> Iterator[None]:
    """An answer that SQS's client took for one, and that is none all the same, is a QueueError."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError) as exc:
        raise QueueError(f"SQS {action}: the server's answer makes no sense: {type(exc).__name__}: {exc}") from exc


class _ServiceFailedError(QueueError):
    """The server did not do what it was asked, for no fault of the request: it may soon."""


def is_final(failure: Mapping[str, Any]) -> bool:
    """Whether a failed entry of a batch would fail again, however often it is sent."""
    code = str(failure.get("Code"))
    if "hrottl" in code:
        return False
    # LocalStack does not call a stale receipt the sender's fault.
    return bool(failure.get("SenderFault")) or any(name in code for name in _FINAL)


def _make_client(access: Access) -> Any:
    try:
        from aiobotocore.config import AioConfig
        from aiobotocore.session import get_session
    except ImportError:
        raise MissingExtraError("SQS", "aws") from None
    from botocore.exceptions import NoRegionError

    limit = answer_limit(access.patience)
    config = AioConfig(
        # Checking parameters costs a third of a request's CPU, and ours are typed.
        parameter_validation=False,
        max_pool_connections=CONNECTIONS,
        tcp_keepalive=True,
        connect_timeout=min(5.0, limit),
        read_timeout=LONGEST_POLL + limit,
        # `call` tries again: botocore counts tries, which says nothing of the time, and stops when many have failed.
        retries={"mode": "standard", "total_max_attempts": 1},
    )
    try:
        return get_session().create_client(
            "sqs", endpoint_url=access.endpoint_url_sqs, config=config, **client_arguments(access)
        )
    except (NoRegionError, ValueError) as exc:
        raise _unsigned(exc) from exc


def _reason(error: Mapping[str, Any]) -> str:
    return redact(f"{error.get('Code', 'unknown error')}: {error.get('Message', 'no reason given')}")


def _unsigned(exc: Exception) -> SettingsError:
    return SettingsError(
        f"SQS: {exc}; set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, or choose AWS_PROFILE"
    )
