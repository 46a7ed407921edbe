"""The reducer: what follows from a step's seal, in as many invocations as it takes."""

from typing import Any

from fanout.errors import FanoutError, ForgedMessageError
from fanout.queues.base import Delivery
from fanout.records.run import check_signature
from fanout.scheduler.ticks.delegated import conclude_step
from fanout.scheduler.ticks.deployment_queues import decode_reduction
from handlers.container import Container, Context, container, deadline, held, log
from handlers.sqs_event import read_batch


def handler(event: Any, context: Context) -> dict[str, Any]:
    """Deliveries of the reduce queue in; those that are to be received again out."""
    here, batch = container(), read_batch(event)
    return batch.answer([d for d in batch.deliveries if not here.run(_conclude(here, d, context))])


async def _conclude(here: Container, delivery: Delivery, context: Context) -> bool:
    """Whether the step is concluded, or another invocation will go on with it."""
    try:
        async with held(here.queues.reductions, delivery):
            at = decode_reduction(delivery.body)
            await check_signature(here.run_context.store, at.run, delivery.body)
            done = await conclude_step(at, here.run_context, here.queues, deadline(context))
    except ForgedMessageError as exc:
        log.warning("dropped: %s", exc)
        return True
    except FanoutError:
        log.exception("this step is concluded the next time: %s", delivery.body)
        return False
    log.info("%s: %s", delivery.body, "concluded" if done else "goes on in another invocation")
    return True
