"""What a run reaches the outside with; put together by the command line, once."""

from dataclasses import dataclass

from obstore.store import ObjectStore

from fanout.clock import Clock
from fanout.config.settings import Settings
from fanout.engines.base import Engine
from fanout.queues.base import QueueService
from fanout.storage.access import Access


@dataclass(frozen=True, slots=True)
class RunContext:
    """Store, queues, engine, clock, and the settings they come from."""

    settings: Settings
    access: Access
    store: ObjectStore
    queues: QueueService
    engine: Engine
    clock: Clock
