"""Parts of a table's files on this machine, wherever the files are: remote ones are copied for as long as it takes.

Only what is asked for is copied: a range of bytes, or of a parquet file the row groups, in a file with gaps.
"""

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from fanout.files import uris
from fanout.files.byte_ranges import open_bytes, reading
from fanout.tables.file_parts import FilePart, Section
from fanout.tables.formats.row_groups import Needed, needed_for_groups, needed_for_rows
from fanout.tables.plain.compression import HEAD, codec_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from fanout.storage.access import Access

SECTIONS_AT_ONCE = 8
CHUNK = 8 * 1024 * 1024


@contextmanager
def localized(
    pieces: Sequence[FilePart],
    access: "Access",
    *,
    parquet: bool = False,
    packed: bool = False,
    scratch: Path | None = None,
) -> Iterator[list[Section]]:
    """The pieces, each readable here; copies last as long as the context. InputError when a file is not there.

    Copies are made in `scratch`, which is cleared by the process that kills this one, or in the machine's temporary
    folder.
    """
    sections = [Section.of(piece) for piece in pieces]
    if all(_is_here(section) for section in sections):
        yield sections
        return
    bring = _Fetch(access, parquet, packed)
    with (
        tempfile.TemporaryDirectory(prefix="fanout-table-", dir=scratch) as folder,
        ThreadPoolExecutor(SECTIONS_AT_ONCE) as pool,
    ):
        copies = (Path(folder, str(number)) for number in range(len(sections)))
        yield list(pool.map(bring.section, sections, copies))


def _is_here(section: Section) -> bool:
    return section.path is not None or uris.is_local(section.uri)


@dataclass(frozen=True, slots=True)
class _Fetch:
    """Copies parts of remote files."""

    access: "Access"
    parquet: bool
    packed: bool  # some files are compressed, and ranges are those of what is in them

    def section(self, section: Section, copy: Path) -> Section:
        """The section with the file `copy` in the place of its own."""
        if _is_here(section):
            return section
        from fanout.storage.open import locate

        store, key = locate(section.uri, self.access)
        offset = section.start if section.cut == "bytes" else 0
        with reading(section.uri), copy.open("wb") as file:
            if self.packed and codec_of(bytes(store.get_range(key, start=0, length=HEAD))) is not None:
                offset = 0
                file.writelines(store.get(key).stream(min_chunk_size=CHUNK))
            elif section.cut == "bytes":
                _range(store, key, section.start, section.stop, file)
            elif self.parquet and section.cut != "whole":
                self._row_groups(section, store, key, file)
            else:
                file.writelines(store.get(key).stream(min_chunk_size=CHUNK))
        return replace(section, path=str(copy), offset=offset)

    def _row_groups(self, section: Section, store: "ObjectStore", key: str, file: BinaryIO) -> None:
        size = store.head(key)["size"]
        with open_bytes(section.uri, size, self.access) as source:
            find = needed_for_groups if section.cut == "row_groups" else needed_for_rows
            needed: Needed = find(source, section.start, section.stop)
        for start, stop in needed.ranges:
            file.seek(start)
            _range(store, key, start, stop, file)
        file.seek(size - len(needed.tail))
        file.write(needed.tail)


def _range(store: "ObjectStore", key: str, start: int, stop: int, file: BinaryIO) -> None:
    if stop > start:
        file.writelines(store.get(key, options={"range": (start, stop)}).stream(min_chunk_size=CHUNK))
