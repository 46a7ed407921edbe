"""Parts of JSON lines files as the objects they hold, for scripts that want no table (reference, section 8.4)."""

from collections.abc import Sequence
from typing import Any

from fanout.errors import InputError
from fanout.files import uris
from fanout.tables.file_parts import FilePart, Section, read_bytes
from fanout.tables.formats.json_lines import read_rows
from fanout.tables.formats.readers import JsonLines, to_utf8
from fanout.tables.recipe import TableRecipe


def read_objects(recipe: TableRecipe, pieces: Sequence[FilePart]) -> list[dict[str, Any]]:
    """The objects of `pieces`, in their order; InputError, naming the file, when a line is none."""
    reader = recipe.reader if isinstance(recipe.reader, JsonLines) else JsonLines()
    found: list[dict[str, Any]] = []
    for part in pieces:
        piece = Section.of(part)
        try:
            body = to_utf8(read_bytes(piece), reader.encoding, from_start=piece.from_start)
            found += map(dict, read_rows(body, reader))
        except (InputError, UnicodeDecodeError) as exc:
            raise InputError(f"{uris.display(piece.uri)}: {exc}") from exc
    return found
