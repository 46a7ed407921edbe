"""What `fanout rm` and `fanout gc` remove, for people and for programs. Pure."""

from collections.abc import Iterator, Sequence

from fanout.formatting import location, many, printable, size
from fanout.housekeeping.collection import Garbage
from fanout.housekeeping.removal import RunContent

MOST_NAMES = 20
"""Things of a kind that are named; the rest is counted."""


def removal_lines(content: RunContent) -> Iterator[str]:
    """What goes with a run, and what stays."""
    yield f"run {content.run}: {many(content.objects, 'object')}, {size(content.bytes)}, with its logs and outputs"
    for uri in content.kept:
        yield f"  {location(uri)} stays"


def garbage_lines(garbage: Garbage) -> Iterator[str]:
    """What goes, kind by kind, and which old runs stay."""
    for content in garbage.runs[:MOST_NAMES]:
        yield f"run {content.run}: {many(content.objects, 'object')}, {size(content.bytes)}"
    yield from _more(garbage.runs, "run")
    for content in garbage.left[:MOST_NAMES]:
        yield f"what is left of run {printable(content.run)}: {many(content.objects, 'object')}, {size(content.bytes)}"
    yield from _more(garbage.left, "remainder")
    for found, one, several in (
        (garbage.code, "code snapshot that no run needs", "code snapshots that no run needs"),
        (garbage.reuse, "note for reuse of runs that are gone", "notes for reuse of runs that are gone"),
        (garbage.queues, "abandoned queue", "abandoned queues"),
        (garbage.uploads, "abandoned upload in parts", "abandoned uploads in parts"),
    ):
        if found:
            yield many(len(found), one, several)
    for kept in garbage.kept[:MOST_NAMES]:
        yield (
            f"stays: run {kept.run} {kept.reason}"
            if kept.reason.startswith("is")
            else (f"stays: run {kept.run}: {kept.reason}")
        )
    yield from _more(garbage.kept, "run that stays", "runs that stay")


def garbage_fields(garbage: Garbage, *, removed: bool) -> dict[str, object]:
    """The same for programs; the names of the fields stay."""
    return {
        "removed": removed,
        "runs": [removal_fields(content) for content in garbage.runs],
        "left": [removal_fields(content) for content in garbage.left],
        "code": list(garbage.code),
        "reuse": list(garbage.reuse),
        "queues": list(garbage.queues),
        "uploads": [upload.key for upload in garbage.uploads],
        "kept": [{"run": kept.run, "reason": kept.reason} for kept in garbage.kept],
    }


def removal_fields(content: RunContent) -> dict[str, object]:
    """One run for programs."""
    return {"run": content.run, "objects": content.objects, "bytes": content.bytes, "kept": list(content.kept)}


def _more(found: Sequence[object], one: str, several: str = "") -> Iterator[str]:
    if len(found) > MOST_NAMES:
        yield f"and {many(len(found) - MOST_NAMES, f'more {one}', f'more {several}' if several else '')}"
