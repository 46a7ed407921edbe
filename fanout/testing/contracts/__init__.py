"""The promises of fanout's ports as pytest classes: subclass one beside your own adapter, and give it the fixture.

`QueueContract` holds an adapter of `fanout.queues.base` to its promises, `StoreContract` a server that speaks S3 or
another store of obstore, `PlacerContract` an engine by `fanout.engines.base`. fanout's own adapters pass the same
classes. They need pytest and pytest-asyncio.
"""

import pytest

pytest.register_assert_rewrite(
    "fanout.testing.contracts.engine", "fanout.testing.contracts.queue", "fanout.testing.contracts.store"
)

from fanout.testing.contracts.engine import EngineBench, PlacerContract  # noqa: E402 - asserts are rewritten on import
from fanout.testing.contracts.queue import QueueBench, QueueContract  # noqa: E402
from fanout.testing.contracts.store import StoreContract  # noqa: E402

__all__ = ["EngineBench", "PlacerContract", "QueueBench", "QueueContract", "StoreContract"]
