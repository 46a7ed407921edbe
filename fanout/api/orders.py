"""What a call or a command line asks for, as the scheduler takes it."""

from collections.abc import Iterable

from fanout.errors import RunError
from fanout.pipeline.model import ParallelStep
from fanout.queries.status import pick
from fanout.records.run import RunRecord
from fanout.scheduler.restart.redrive import RedriveOrder
from fanout.scheduler.restart.redrive_rules import Choice


def redrive_order(
    record: RunRecord, step: str | None, mini_batches: Iterable[int] | None, *, new_code: bool
) -> RedriveOrder:
    """The mini-batches to run again, None: all that did not succeed; RunError when that does not fit the run."""
    wanted = None if mini_batches is None else tuple(sorted(set(mini_batches)))
    if not step and wanted is None:
        return RedriveOrder(new_code=new_code)
    parallel = [found.name for found in record.pipeline.steps if isinstance(found, ParallelStep)]
    if step:
        chosen = pick(record, step).name
    elif len(parallel) == 1:
        chosen = parallel[0]
    else:
        raise RunError(
            f"run {record.name} has {len(parallel)} parallel steps ({', '.join(parallel)}): name one of them"
        )
    if wanted is not None and chosen not in parallel:
        raise RunError(f"step {chosen} is a command: it has no mini-batches")
    return RedriveOrder(Choice(chosen, wanted), new_code)
