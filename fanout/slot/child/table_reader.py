"""Reads the mini-batches of a table, in the Python that fanout is installed in: in a slot's process, or beside it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fanout.files.uris import is_local
from fanout.memory import keep_freed_memory
from fanout.records.mini_batch import MiniBatch
from fanout.tables.recipe import from_json

if TYPE_CHECKING:
    from fanout.records.value_changes import Change


class TableReader:
    """Reads mini-batches of a table; `changes` is what the types of its columns have changed in the last one."""

    def __init__(self, recipe_json: str, scratch: Path, *, json_records: bool) -> None:
        keep_freed_memory()
        self._recipe, self._scratch = from_json(recipe_json, "the step's table recipe"), scratch
        self._read_pieces = _of_objects() if json_records else _of_frames()
        self.changes: tuple[Change, ...] = ()

    def __call__(self, batch: MiniBatch) -> Any:
        """A DataFrame, or the list of its objects; InputError when a piece cannot be read."""
        data, self.changes = self._read(batch)
        return data

    def _read(self, batch: MiniBatch) -> Any:
        if all(is_local(piece.uri) for piece in batch.pieces):
            return self._read_pieces(self._recipe, batch.pieces)
        from fanout.storage.access import Access
        from fanout.tables.localize import localized

        kinds = {"parquet": self._recipe.is_parquet, "packed": self._recipe.is_packed}
        with localized(batch.pieces, Access.from_environ(os.environ), **kinds, scratch=self._scratch) as pieces:
            return self._read_pieces(self._recipe, pieces)


def _of_frames() -> Callable[..., Any]:
    from fanout.tables.table_parts import read_counted

    return read_counted


def _of_objects() -> Callable[..., Any]:
    from fanout.tables.formats.json_objects import read_objects

    return lambda recipe, pieces: (read_objects(recipe, pieces), ())
