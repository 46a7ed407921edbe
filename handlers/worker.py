"""The worker: tries mini-batches as a node does, and runs command steps, as long as its invocation lasts."""

import os
from dataclasses import replace
from functools import cache
from typing import Any

from fanout.aws.run_signals import METRICS, worker_line
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
    clock = worker.services.clock
    begun, before = clock.monotonic(), worker.attempts
    left = here.run(worker.work(batch.deliveries, begun + context.get_remaining_time_in_millis() / 1000))
    if os.environ.get(METRICS) == "cloudwatch":
        done, failed = (now - then for now, then in zip(worker.attempts, before, strict=True))
        line = worker_line(here.deployment.name, clock.now(), done, failed, clock.monotonic() - begun, len(left))
        print(line, flush=True)  # noqa: T201 - the log of the function
    return batch.answer(left)


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
