"""Requests to one SQS endpoint: the client, its errors as ours, and batches whose failed entries are sent again."""

import asyncio
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Any

from fanout.clock import Clock
from fanout.errors import MissingExtraError, QueueError, QueueGoneError, SettingsError
from fanout.queue.sqs_batches import Entry
from fanout.store.access import Access
from fanout.store.credentials import client_arguments
from fanout.store.redact import redact

CONCURRENT_BATCHES = 8
CONNECTIONS = 64
ENTRY_TRIES = 6
REQUEST_TRIES = 6  # botocore waits up to 1, 2, 4, 8, 16 s in between
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

    async def call(self, action: str, **arguments: Any) -> Mapping[str, Any]:
        """The answer to one request, tried several times; else QueueError naming endpoint, action and code."""
        client = self._client or await self._connect()
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

        try:
            answer: Mapping[str, Any] = await getattr(client, action)(**arguments)
        except ClientError as exc:
            raise self._refused(action, exc.response.get("Error", {})) from exc
        except (NoCredentialsError, NoRegionError) as exc:
            raise _unsigned(exc) from exc
        except (BotoCoreError, TimeoutError, OSError) as exc:
            raise QueueError(f"SQS {action} at {self._where}: {redact(str(exc)) or type(exc).__name__}") from exc
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
        pending, refused = list(entries), dict[str, str]()
        for attempt in range(ENTRY_TRIES):
            async with self._slots:
                answer = await self.call(action, QueueUrl=url, Entries=pending)
            with understood(action):
                failed = {entry["Id"]: entry for entry in answer.get("Failed", ())}
                if strange := failed.keys() - {entry["Id"] for entry in pending}:
                    raise ValueError(f"it has failed entries that were not asked for: {sorted(strange)!r:.80}")
            if not failed:
                return refused
            refused |= {key: _reason(entry) for key, entry in failed.items() if is_final(entry)}
            pending = [entry for entry in pending if entry["Id"] in failed and entry["Id"] not in refused]
            if not pending:
                return refused
            await self.clock.sleep(random.uniform(0, 0.1 * 2**attempt))  # noqa: S311 - jitter, not a secret
        raise self._refused(f"{action}, {len(pending)} entries, {ENTRY_TRIES} times", failed[str(pending[0]["Id"])])

    async def _connect(self) -> Any:
        async with self._connecting:
            if self._client is None:
                self._client = await self._stack.enter_async_context(_make_client(self._access))
            return self._client

    @property
    def _where(self) -> str:
        return self._access.endpoint_url_sqs or f"AWS, region {self._access.region or 'of the profile'}"

    def _refused(self, action: str, error: Mapping[str, Any]) -> QueueError:
        kind = QueueGoneError if error.get("Code") in _MISSING else QueueError
        return kind(f"SQS {action} at {self._where}: {_reason(error)}")


@contextmanager
def understood(action: str) -> Iterator[None]:
    """An answer that SQS's client took for one, and that is none all the same, is a QueueError."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as exc:
        raise QueueError(f"SQS {action}: the server's answer makes no sense: {type(exc).__name__}: {exc}") from exc


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

    config = AioConfig(
        # Checking parameters costs a third of a request's CPU, and ours are typed.
        parameter_validation=False,
        max_pool_connections=CONNECTIONS,
        tcp_keepalive=True,
        connect_timeout=5,
        read_timeout=35,  # above the longest poll
        retries={"mode": "standard", "total_max_attempts": REQUEST_TRIES},
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
