"""A table as a file named MLTable in a local folder, with or without copies of its files beside it."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from fanout.errors import InputError
from fanout.files import uris
from fanout.files.globs import escape
from fanout.files.listing import is_folder, list_folder
from fanout.mltable.text import to_text
from fanout.storage.atomic import appearing
from fanout.tables.file_parts import Section
from fanout.tables.localize import localized
from fanout.tables.mltable_file import FILE_NAME, MLTableFile, PathEntry, files_of

if TYPE_CHECKING:
    from fanout.storage.access import Access


class Overwrite(StrEnum):
    """What becomes of files that are there already."""

    OVERWRITE = "overwrite"
    FAIL = "fail"
    SKIP = "skip"

    @classmethod
    def of(cls, given: object) -> "Overwrite":
        """By its name, or True for overwrite and False for fail; InputError when it is neither."""
        if isinstance(given, bool):
            return cls.OVERWRITE if given else cls.FAIL
        if not isinstance(given, str) or given not in list(cls):
            raise InputError(f"overwrite: expected True, False, 'overwrite', 'fail' or 'skip', got {given!r:.60}")
        return cls(given)


@dataclass(frozen=True, slots=True)
class _Copy:
    """A file of the table, and where below the folder it is saved."""

    uri: str
    name: str


def save_table(
    table: MLTableFile, path: str | None, overwrite: Overwrite, access: "Access", *, copy: bool, clean_up: bool
) -> None:
    """The folder at `path` holds the MLTable file, and with `copy` all files of the table.

    InputError when something is in the way. With `clean_up`, of a save that fails none of its files stay.
    """
    folder = _folder(path)
    copies, paths = _copied(table, access) if copy else ([], [_beside(entry, folder) for entry in table.paths])
    targets = [folder / copied.name for copied in copies]
    text = to_text(table, paths).encode("utf-8", "surrogateescape")
    _check(folder, [*targets, folder / FILE_NAME], overwrite)
    written: list[Path] = []
    try:
        with localized([Section(copied.uri) for copied in copies], access) as sections:
            for section, target in zip(sections, targets, strict=True):
                _write(target, Path(section.local_path), overwrite, written)
        _write(folder / FILE_NAME, text, overwrite, written)
    except BaseException as exc:
        for file in written if clean_up else ():
            file.unlink(missing_ok=True)
        if isinstance(exc, OSError):
            raise InputError(f"save: {exc.filename or folder}: {exc.strerror}") from exc
        raise


def _folder(path: str | None) -> Path:
    given = path or "."
    if not uris.is_local(given):
        raise InputError(f"save: {uris.display(given)}: a table is saved into a local folder; copy it there afterwards")
    folder = Path(uris.to_path(uris.absolute(given, str(Path.cwd()))))
    if folder.exists() and not folder.is_dir():
        raise InputError(f"save: {folder} is a file, expected a folder")
    return folder


def _beside(entry: PathEntry, folder: Path) -> Mapping[str, str]:
    """The path of an entry as it stands in an MLTable file in `folder`."""
    if not uris.is_local(entry.uri):
        return {entry.kind: entry.written if uris.scheme(entry.written) else entry.full}
    relative = os.path.relpath(uris.to_path(entry.uri), folder)
    return {entry.kind: _with_pattern(entry, relative)}


def _with_pattern(entry: PathEntry, relative: str) -> str:
    # With a dot in front no name is taken for a scheme.
    shown = relative if relative.startswith("..") else f"./{relative}" if relative != "." else "."
    return f"{escape(shown)}/{entry.pattern}" if entry.kind == "pattern" else shown


def _copied(table: MLTableFile, access: "Access") -> tuple[list[_Copy], Sequence[Mapping[str, str]]]:
    """The copies of all files, each once, and the paths that name them."""
    base, sources = table.uri.rpartition("/")[0], dict[str, str]()
    paths: list[dict[str, str]] = []
    for entry in table.paths:
        root = _root(entry, base)
        for copied in _copies_of(entry, root, table, access):
            if sources.setdefault(copied.name, copied.uri) != copied.uri:
                raise InputError(
                    f"save: {uris.display(copied.uri)} and {uris.display(sources[copied.name])} would both be saved as "
                    f"{copied.name}; save it without colocated"
                )
        paths.append({entry.kind: _with_pattern(entry, uris.relative_to(entry.uri, root) or ".")})
    return [_Copy(uri, name) for name, uri in sources.items()], paths


def _root(entry: PathEntry, base: str) -> str:
    """The folder from which an entry's files keep their names: the table's own, where they are below it."""
    if entry.uri == base or uris.relative_to(entry.uri, base) is not None:
        return base
    return entry.uri if entry.kind == "pattern" else entry.uri.rpartition("/")[0]


def _copies_of(entry: PathEntry, root: str, table: MLTableFile, access: "Access") -> Iterator[_Copy]:
    # A `file` may name a directory, which stands for itself.
    files = (
        list_folder(entry.uri, access)
        if entry.kind == "file" and is_folder(entry.uri)
        else files_of(entry, table, access)
    )
    for file in files:
        if file.uri != table.uri:
            yield _Copy(file.uri, uris.confined(uris.relative_to(file.uri, root) or ""))


def _check(folder: Path, targets: Sequence[Path], overwrite: Overwrite) -> None:
    """InputError when a file is in the way, before anything is written."""
    for target in targets:
        if target.is_dir():
            raise InputError(f"save: {target} is a folder, and a file of the table has this name")
        if overwrite is Overwrite.FAIL and target.exists():
            raise InputError(f"save: {target} exists already; choose another folder than {folder}, or overwrite=True")


def _write(target: Path, content: bytes | Path, overwrite: Overwrite, written: list[Path]) -> None:
    """The file, whole or not at all; noted in `written` when it was not there before."""
    exists = target.exists()
    if exists and (overwrite is Overwrite.SKIP or (isinstance(content, Path) and target.samefile(content))):
        return
    with appearing(target, durable=False) as partial:
        if isinstance(content, bytes):
            partial.write_bytes(content)
        else:
            shutil.copyfile(content, partial)
    if not exists:
        written.append(target)
