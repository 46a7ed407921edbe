"""The runs of a store, newest first, and one of them by its name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanout.advice import advised
from fanout.errors import DamagedRecordError, RunError
from fanout.records.run import RunRecord, full_name, load_record
from fanout.records.seal import Seal, read_seal
from fanout.storage import keys
from fanout.storage.objects import list_names
from fanout.tasks import each

if TYPE_CHECKING:
    from obstore.store import ObjectStore


@dataclass(frozen=True, slots=True)
class ListedRun:
    """One run; `seal` is None while it is not over."""

    record: RunRecord
    seal: Seal | None


async def list_runs(
    store: "ObjectStore", most: int | None = None, wanted: Callable[[ListedRun], bool] | None = None
) -> list[ListedRun]:
    """The newest `most` of the runs that are wanted; what cannot be read as a run is left out."""

    async def look(name: str) -> ListedRun | None:
        try:
            record = await load_record(store, name)
            return ListedRun(record, await read_seal(store, keys.run_verdict(name, record.round)))
        except (RunError, DamagedRecordError):
            return None

    found = await each(look, await list_names(store, keys.RUNS))
    runs = sorted(
        (run for run in found if run is not None and (wanted is None or wanted(run))),
        key=lambda run: run.record.created,
        reverse=True,
    )
    return runs[:most]


async def find_run(store: "ObjectStore", run: str | None) -> RunRecord:
    """The run that this name, or its beginning, means; None: the newest. RunError when there is none."""
    if run is not None:
        return await load_record(store, await full_name(store, run))
    newest = await list_runs(store, 1)
    if not newest:
        raise RunError(f"there are no runs in this store; `{advised().run('PIPELINE')}` makes one")
    return newest[0].record
