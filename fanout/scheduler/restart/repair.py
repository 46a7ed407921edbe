"""Repairs a run in a local folder before it goes on: what a power cut has torn is opened again.

Only a store whose writes are not synced can hold torn objects: empty ones, or ones that end too early. All readers
treat a torn record as missing (`store.folder`). This module mends what other records say about torn objects. A torn
result object is replaced by one without results. A seal, a plan or a conclusion that refers to something torn is
removed, so that the run makes it again. Whole objects stay as they are.
"""

import asyncio
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fanout.errors import DamagedRecordError
from fanout.files import uris
from fanout.records import step as step_record
from fanout.records.seal import load_seal
from fanout.results import codec
from fanout.scheduler.bindings import append_row_uri
from fanout.storage import atomic, keys
from fanout.storage.folder import file_of, is_torn, locked

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SHOWN = 3
"""Torn files that are named; the rest is counted."""


async def repair_store(store: "ObjectStore", run: str) -> str | None:
    """Repairs the run; returns a notice of what was torn.

    Returns None when nothing was torn, or when the store is no folder of this machine.
    """
    record = file_of(store, keys.run_json(run))
    if record is None or not record.parent.is_dir():
        return None
    torn = await asyncio.to_thread(_mend, record.parent)
    if not torn:
        return None
    more = f" and {len(torn) - SHOWN} more" if len(torn) > SHOWN else ""
    return f"files cut short, as by a power cut, are made again: {', '.join(torn[:SHOWN])}{more}"


def _mend(run: Path) -> list[str]:
    with locked(run):  # of two processes that resume the run at once the second finds nothing torn
        places = [place for place in (*run.glob("*/"), *run.glob("*/rounds/*/")) if (place / "results").exists()]
        return sorted(os.path.relpath(torn, run) for place in places for torn in _mend_step(place))


def _mend_step(place: Path) -> Iterator[Path]:
    """Repairs one round of a step; yields the files that were torn."""
    torn = {path for path in (place / "results").glob("[0-9]*/[0-9]*") if _is_torn_result(path)}
    if torn or any(not path.exists() for path in _sealed(place)):
        if any(path in torn or not path.exists() for path in _sealed(place)):
            _remove(place, "verdict", "concluded")
        _remove(place, "settled")  # nodes would leave at once
        for path in torn:  # not removed: those that follow it are found by counting
            atomic.replace(path, codec.encode([], []))
        yield from torn
    for path in (place / "manifests").glob("*.jsonl"):
        if is_torn(_key(path, place), path.read_bytes()) and not (place / "verdict.json").exists():
            _remove(place, "plan", "published")
            yield path
    if (output := _empty_output(place)) is not None:
        _remove(place, "concluded")
        yield output


def _is_torn_result(path: Path) -> bool:
    """Returns whether the object ends before the end that its first bytes state.

    An object that was altered in another way does not count as torn.
    """
    with path.open("rb") as file:
        size, head = path.stat().st_size, file.read(codec.FIRST_READ)
        if len(head) < codec.PREFIX.size or not any(head[: codec.PREFIX.size]):
            return True
        try:
            end = codec.index_size(head, str(path))
            if size < end:
                return True
            index = codec.decode_index(head + file.read(max(0, end - len(head))), str(path))
            return size < index.rows_at + sum(index.entries.columns.length)
        except DamagedRecordError:
            return False


def _sealed(place: Path) -> Iterable[Path]:
    """Returns the result objects that the seal names; none when there is no seal."""
    file = place / "verdict.json"
    if not file.exists() or is_torn(_key(file, place), body := file.read_bytes()):
        return ()
    objects = load_seal(body, str(file)).objects
    return [place / "results" / f"{node:03d}" / f"{seq:08d}" for node, count in objects.items() for seq in range(count)]


def _empty_output(place: Path) -> Path | None:
    """Returns the file with the step's joined rows when it is empty although the joining is over; else None.

    An output that is rightly empty is returned, too: joining no rows again costs little.
    """
    record = place / "step.json"
    if not all(file.exists() for file in (record, place / "concluded.json")) or is_torn(
        _key(record, place), body := record.read_bytes()
    ):
        return None
    found = step_record.load(body, str(record))
    uri = append_row_uri(found.step, found.outputs)
    if uri is None or not uris.is_local(uri):
        return None
    output = Path(uris.to_path(uri))
    return output if output.is_file() and not output.stat().st_size else None


def _remove(place: Path, *names: str) -> None:
    for name in names:
        (place / f"{name}.json").unlink(missing_ok=True)
    atomic.sync_folder(place)


def _key(path: Path, place: Path) -> str:
    """Returns a key of the same kind as that of `path`; the run and the step in it do not matter here."""
    return f"runs/r/s/{path.relative_to(place).as_posix()}"
