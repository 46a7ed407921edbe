"""What `fanout deploy` and `fanout destroy` would do, for people."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from fanout.advice import advised
from fanout.aws.arrivals import is_same
from fanout.aws.deploy import Difference, Doomed, Wanted
from fanout.aws.stack import ResourceChange
from fanout.cli.render.output import Paint
from fanout.code_snapshots.archive import notices
from fanout.formatting import many, printable, size
from fanout.scheduler.code_folders import code_by_folder

MOST_FILES = 100
"""Files of code that are listed; the rest is counted."""
SIGNS = {"Add": "+", "Remove": "-"}


def difference_lines(wanted: Wanted, found: Difference, store: str, paint: Paint) -> Iterator[str]:
    """Each change, in the order of applying."""
    if found.is_empty:
        yield f"{wanted.name}: nothing to change"
        return
    if found.record:
        yield f"the pipeline in {printable(store)} {printable(found.record)}"
        yield from _code_lines(wanted, found, paint)
    for name, value in _parameters(found.parameters_before, found.parameters):
        yield paint.quiet(printable(f"  {name}: {value}"))
    if found.stack.id is not None:
        yield f"stack fanout-{wanted.name} {'is new' if found.stack.creates else 'changes'}:"
    for change in found.stack.changes:
        yield f"  {_change(change, paint)}"
    if found.trigger_before is not None and not is_same(found.trigger_before, found.trigger):
        yield f"{found.trigger_before.root}: its notification is removed"
    if found.trigger is not None and not found.receives_events:
        yield f"{found.trigger.root}: sends events of {found.trigger.prefix}*{found.trigger.suffix}"


def _code_lines(wanted: Wanted, found: Difference, paint: Paint) -> Iterator[str]:
    """Each file that goes into the store, since all who read the store can read it."""
    for folder, steps in code_by_folder(wanted.pipeline, found.code).items():
        snapshot = found.code[steps[0]]
        files = snapshot.taken.files
        yield f"code of {', '.join(steps)}: {many(len(files), 'file')}, {size(snapshot.size)}, of {printable(folder)}"
        yield from (paint.quiet(printable(f"  {file.name}")) for file in files[:MOST_FILES])
        if len(files) > MOST_FILES:
            yield paint.quiet(f"  and {many(len(files) - MOST_FILES, 'file')} more")
        for notice in notices(Path(folder), snapshot):
            yield paint.warning(printable(notice))


def doomed_lines(name: str, store: str, doomed: Doomed) -> Iterator[str]:
    """What would be removed, and what stays."""
    where, remains = printable(store), doomed.remains
    if doomed.trigger is not None:
        yield f"{doomed.trigger.root}: its notification is removed"
    if doomed.stack:
        yield f"stack fanout-{name} goes, with its queues, functions, roles, alarms and the functions' logs"
    if doomed.waiting:
        go_on = f"`{advised().resume('RUN')}` goes on with runs under way"
        yield f"{many(doomed.waiting, 'message')} in its queues go; {go_on}"
    if remains.data:
        yield f"ALL of {where} goes: {many(len(remains.keys), 'object')}, runs, outputs and logs"
    elif remains.keys:
        yield f"of {where} {many(len(remains.keys), 'object')} of the deployment go"
    if remains.runs_kept:
        yield f"{many(remains.runs_kept, 'run')} in {where} stay; --data removes all that is there"


def _change(change: ResourceChange, paint: Paint) -> str:
    text = f"{SIGNS.get(change.action, '~')} {change.resource} ({change.type})"
    if change.action == "Remove" or change.replaced:
        return paint.warning(f"{text}, replaced" if change.replaced else text)
    return text


def _parameters(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in sorted(now):
        was = before.get(name, "")
        if was != now[name]:
            yield name, f"{was} -> {now[name]}" if was else now[name]
