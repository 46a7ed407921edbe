"""What readers of a step's output files should know: files that several mini-batches wrote, files that are older.

Neither fails a step, and neither may go unsaid: of a file that was written twice only the last is left, and what an
output folder held before stays in it, as on Azure; fanout does not know whose files they are.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from fanout.errors import FanoutError
from fanout.files import uris
from fanout.files.listing import list_uris
from fanout.pipeline.model import DataType
from fanout.planning.index_ranges import ranges
from fanout.results.split_tree import StagedFiles

if TYPE_CHECKING:
    from fanout.records.step import BoundOutput
    from fanout.storage.access import Access

MOST_LISTED = 100_000
"""Files of an output folder that are looked at; where there are more, as many are said to be older at least."""
MOST_NAMED = 3
ADVICE = "name files by context.minibatch_index or context.partition_key_value to keep each"


def overwritten(staged: Iterable[StagedFiles], outputs: "Mapping[str, BoundOutput]") -> Iterator[str]:
    """A sentence when mini-batches have written files of the same name; `staged` in the order of publication."""
    writers: dict[str, int | list[int]] = {}  # most files have one writer
    for files in staged:
        index = _index_of(files.folder)
        for name in files.names:
            known = writers.get(name)
            if known is None:
                writers[name] = index
            elif isinstance(known, list):
                known.append(index)
            else:
                writers[name] = [known, index]
    several = {name: found for name, found in writers.items() if isinstance(found, list)}
    if several:
        lost = sum(len(found) - 1 for found in several.values())
        named = "; ".join(f"{_named(name, outputs)} by {_writers(found)}" for name, found in _first(several))
        more = f"; and {len(several) - MOST_NAMED} more" if len(several) > MOST_NAMED else ""
        yield (
            f"{_files(lost)} overwritten by later mini-batches, as several wrote under the same name: {named}{more}; "
            f"{ADVICE}"
        )


async def stale(
    staged: Iterable[StagedFiles], outputs: "Mapping[str, BoundOutput]", access: "Access", rows: str | None
) -> list[str]:
    """A sentence for each output folder that holds files which this step has not written; `rows`: that of its rows."""
    mine: dict[str, set[str]] = {}
    for files in staged:
        for name in files.names:
            output, _, below = name.partition("/")
            mine.setdefault(output, set()).add(below)
    folders = {name: outputs[name].uri for name in mine if _is_folder(outputs.get(name))}
    found = []
    for name, uri in folders.items():
        written = {uris.join(uri, below) for below in mine[name]} | ({rows} if rows else set())
        others = await asyncio.to_thread(_others, uri, written, access)
        if others:
            count = f"{len(others)} or more" if len(others) >= MOST_LISTED else str(len(others))
            shown = ", ".join(uris.display(other) for other in others[:MOST_NAMED])
            found.append(
                f"output {name} holds {count} {'file' if count == '1' else 'files'} that this step has not written "
                f"({shown}{', ...' if len(others) > MOST_NAMED else ''}); they stay: remove them, or give the output "
                "another path, such as one with ${{name}} in it"
            )
    return found


def _others(folder: str, written: set[str], access: "Access") -> list[str]:
    try:
        return [uri for uri in islice(list_uris(folder, access), MOST_LISTED) if uri not in written]
    except FanoutError:
        return []  # it is empty, not there yet, or cannot be listed: writing into it will tell


def _is_folder(bound: "BoundOutput | None") -> bool:
    return bound is not None and bound.type is not DataType.URI_FILE


def _index_of(folder: str) -> int:
    """The mini-batch that left the folder of an attempt; -1 for what a slot's shutdown() has left."""
    index = folder.partition("-")[0].partition(".")[0]
    return int(index) if index.isdecimal() else -1


def _first(several: Mapping[str, list[int]]) -> list[tuple[str, list[int]]]:
    return list(islice(several.items(), MOST_NAMED))


def _writers(found: list[int]) -> str:
    batches = sorted({index for index in found if index >= 0})
    parts = [f"mini-batches {ranges(batches)}"] if batches else []
    return " and ".join([*parts, *(["shutdown()"] if -1 in found else [])])


def _named(name: str, outputs: "Mapping[str, BoundOutput]") -> str:
    output, _, below = name.partition("/")
    return output if output in outputs and not _is_folder(outputs[output]) else f"{output}/{below}"


def _files(count: int) -> str:
    return f"{count} file was" if count == 1 else f"{count} files were"
