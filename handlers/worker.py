"""The worker: tries mini-batches as a node does, and runs command steps, as long as its invocation lasts."""

from dataclasses import replace
from functools import cache
from typing import Any

from fanout.clock import SystemClock
from fanout.node.lambda_worker import LambdaWorker
from fanout.node.serve import NodeServices
from fanout.records.run import check_signature
from fanout.scheduler.ticks.delegated import carry_out_command
from fanout.storage.keys import StepRound
from handlers.container import Container, Context, container
from handlers.sqs_event import read_batch


def handler(event: Any, context: Context) -> dict[str, Any]:
    """Deliveries of the work queue in; those that are to be received again out."""
    here, batch = container(), read_batch(event)
    worker = worker_of(here)
    deadline = worker.services.clock.monotonic() + context.get_remaining_time_in_millis() / 1000
    return batch.answer(here.run(worker.work(batch.deliveries, deadline)))


@cache
def worker_of(here: Container) -> LambdaWorker:
    """The one of this container: its nodes keep their slots from one invocation to the next."""
    run_context = replace(here.run_context, clock=SystemClock())

    async def command(at: StepRound, end: float) -> None:
        await carry_out_command(at, run_context, here.queues, end - run_context.clock.monotonic())

    async def check_order(at: StepRound, body: str) -> None:
        await check_signature(run_context.store, at.run, body)

    around = NodeServices(
        run_context.store, run_context.queues, run_context.access, run_context.clock, run_context.settings.store
    )
    return LambdaWorker(around, here.queues.work, here.deployment.visibility, command, check_order)
