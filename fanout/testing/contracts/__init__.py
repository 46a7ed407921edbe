"""The promises of fanout's ports as pytest classes: subclass one beside your own adapter, and give it the fixture.

`QueueContract` holds an adapter of `fanout.queues.base` to its promises, `StoreContract` a server that speaks S3 or
another store of obstore. fanout's own adapters pass the same classes. They need pytest and pytest-asyncio.
"""

import pytest

pytest.register_assert_rewrite("fanout.testing.contracts.queue", "fanout.testing.contracts.store")

from fanout.testing.contracts.queue import QueueBench, QueueContract  # noqa: E402 - asserts are rewritten on import
from fanout.testing.contracts.store import StoreContract  # noqa: E402

__all__ = ["QueueBench", "QueueContract", "StoreContract"]
