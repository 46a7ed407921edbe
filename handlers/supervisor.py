"""The supervisor: one look at each run it is asked about; it asks itself for the next until the verdict stands."""

import os
from typing import Any

from fanout.aws.run_signals import announce
from fanout.errors import FanoutError, ForgedMessageError
from fanout.queues.base import Delivery
from fanout.records.run import check_signature
from fanout.scheduler.ticks.deployment_queues import decode_tick
from fanout.scheduler.ticks.run_tick import TickContext, handle_tick
from handlers.container import Container, Context, container, deadline, held, log
from handlers.sqs_event import read_batch


def handler(event: Any, context: Context) -> dict[str, Any]:
    """Deliveries of the tick queue in; those that are to be received again out."""
    here, batch = container(), read_batch(event)
    return batch.answer([d for d in batch.deliveries if not here.run(_look(here, d, context))])


async def _look(here: Container, delivery: Delivery, context: Context) -> bool:
    """Whether the turn was taken."""
    tick = TickContext(here.run_context, here.queues, here.kept, deadline(context))
    try:
        async with held(here.queues.ticks, delivery):
            turn = decode_tick(delivery.body)
            await check_signature(here.run_context.store, turn.run, delivery.body)
            sealed = await handle_tick(turn, tick)
    except ForgedMessageError as exc:
        log.warning("dropped: %s", exc)
        return True
    except FanoutError:
        log.exception("this turn is taken again: %s", delivery.body)
        return False
    if sealed is not None:
        log.info("%s: %s, %s", turn.run, sealed.verdict.status, sealed.verdict.reason)
        announce(here.deployment.name, turn.run, sealed, here.run_context.clock.now(), os.environ)
    return True
