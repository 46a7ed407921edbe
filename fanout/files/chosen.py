"""The files of an input: all below a folder, one file, or those that a list of names and patterns chooses."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fanout.errors import InputError
from fanout.files import globs, uris
from fanout.files.listing import FileEntry, find_file, is_folder, list_folder, list_pattern

if TYPE_CHECKING:
    from fanout.storage.access import Access


def chosen_files(folder: str, paths: Sequence[str], access: "Access") -> Iterator[FileEntry]:
    """The files below `folder` that `paths` name, in their order, each once; InputError for a path without a file.

    A path is a pattern, in which `[*]` is the character itself, or the plain name of a file or a folder.
    """
    seen: set[str] = set()
    for path in paths:
        for entry in _of_path(folder, path, access):
            if entry.uri not in seen:
                seen.add(entry.uri)
                yield entry


def _of_path(folder: str, path: str, access: "Access") -> Iterator[FileEntry]:
    plain = globs.literal(path)
    if plain is None:
        return list_pattern(folder, path, access)
    return file_or_folder(uris.join(folder, plain), access)


def file_or_folder(uri: str, access: "Access") -> Iterator[FileEntry]:
    """The file of this name, or all files of the folder of this name; InputError when there is neither."""
    if is_folder(uri):
        return list_folder(uri, access)
    try:
        return iter((find_file(uri, access),))
    except InputError:
        if uris.is_local(uri):
            raise
        try:  # on an object store a folder is nothing but the beginning of names
            return list_folder(uri, access)
        except InputError:
            pass
        raise
