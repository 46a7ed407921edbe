"""`fanout resume --new-code`: an unfinished run goes on with its code folders as they are now.

The new snapshots are stored first; then one conditional create notes the change. When the process ends before the note,
the run keeps its old code. After the note the run has the new code, and `fanout resume` goes on with that. Results from
before stay.
"""

from collections.abc import Mapping, Sequence

from fanout.advice import advised
from fanout.code_snapshots.archive import Snapshot
from fanout.errors import RunError
from fanout.records.code_change import CodeChange, change_code
from fanout.records.run import RunRecord, load_record, with_changes
from fanout.records.seal import step_seal
from fanout.scheduler.code_folders import changed_files, code_folder, notices_of, store_snapshots, take_snapshots
from fanout.scheduler.context import RunContext

MOST_NAMES = 5
"""Changed files that are named; the rest is counted."""


async def take_new_code(record: RunRecord, context: RunContext) -> tuple[RunRecord, list[str]]:
    """Gives the open steps of the run their code as it is now; returns the run, and sentences on what has changed.

    InputError when a code folder cannot be read; RunError when another process has brought other code meanwhile.
    """
    now: dict[str, Snapshot] = {}
    for step in await _open_steps(record, context):
        now |= await take_snapshots(record.pipeline, context, step)
    changed = await _changed(record.code, now, context)
    if not changed:
        return record, ["the code has not changed since it was last taken"]
    wanted = {step: now[step] for step in changed}
    digests = await store_snapshots(wanted, context)
    mine = CodeChange(record.code_changes + 1, context.clock.now(), digests, changed)
    if await change_code(context.store, record.name, mine):
        return with_changes(record, (mine,)), [
            f"{step}: what starts from now on runs with the code as it is now; results so far stay; changed: "
            f"{named(files)}"
            for step, files in changed.items()
        ] + notices_of(record.pipeline, wanted)
    winner = await load_record(context.store, record.name)
    if any(winner.code.get(step) != digest for step, digest in digests.items()):
        raise RunError(
            f"another process has given run {record.name} other code in the same moment, and the run goes on with "
            f"that; to replace it by yours: {advised().resume(record.name, new_code=True)}"
        )
    return winner, ["another process has brought the same code in the same moment"]


def named(files: Sequence[str]) -> str:
    """Returns the first few of the files, and how many more there are."""
    more = f" and {len(files) - MOST_NAMES} more" if len(files) > MOST_NAMES else ""
    return ", ".join(files[:MOST_NAMES]) + more


async def _open_steps(record: RunRecord, context: RunContext) -> list[str]:
    """Returns the steps that have code and are not over."""
    steps = [step.name for step in record.pipeline.steps if code_folder(step) is not None]
    return [step for step in steps if await step_seal(context.store, record.at(step)) is None]


async def _changed(
    before: Mapping[str, str], now: Mapping[str, Snapshot], context: RunContext
) -> dict[str, tuple[str, ...]]:
    """Returns the changed files of each step; steps whose code is the same are left out."""
    found = {step: await changed_files(before[step], snapshot, context) for step, snapshot in now.items()}
    return {step: tuple(files) for step, files in found.items() if files}
