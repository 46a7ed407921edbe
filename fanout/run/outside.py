"""What a run reaches the outside with; put together by the command line, once."""

from dataclasses import dataclass

from obstore.store import ObjectStore

from fanout.clock import Clock
from fanout.engines.port import Engine
from fanout.queue.port import QueueService
from fanout.spec.settings import Settings
from fanout.store.access import Access


@dataclass(frozen=True, slots=True)
class Outside:
    """Store, queues, engine, clock, and the settings they come from."""

    settings: Settings
    access: Access
    store: ObjectStore
    queues: QueueService
    engine: Engine
    clock: Clock
