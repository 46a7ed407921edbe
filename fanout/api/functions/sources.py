"""What a function is called over: items, files, or a table, from whatever a caller has."""

import json
from collections.abc import Callable, Iterable, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from fanout.api.functions.items import Items
from fanout.api.functions.job import Source
from fanout.errors import InputError, MissingExtraError

_STORES = ("s3://", "s3a://", "gs://", "az://", "azure://", "abfs://", "abfss://", "wasb://", "wasbs://", "azureml://")
_GLOB = "*?["
_ROWS = (".csv", ".tsv", ".tab", ".psv", ".jsonl", ".ndjson", ".parquet", ".pq")
_PACKED = (".gz", ".zst")
ITEMS, TABLE, MLTABLE = "items.jsonl", "table.parquet", "MLTable"

Place = Callable[[str], str]
"""The URI at which a file of the staging folder will be, by its name."""


def source_of(over: Any, folder: Path, place: Place) -> tuple[Source, Items | None]:
    """What to call the function over; files that the run needs of it are in `folder` then.

    A text or a path is a place: a table by its extension (.csv, .tsv, .jsonl, .parquet, also packed), else a file, a
    folder, or a pattern with `*`. A DataFrame or an Arrow table is a table. Anything else that can be iterated are
    items. InputError when nothing is there.
    """
    if isinstance(over, (str, PathLike)):
        return _at(fspath(over), folder, place)
    if _is_table(over):
        _write_parquet(over, folder / TABLE)
        return Source("table", "uri_file", place(TABLE)), None
    if _are_in_a_store(over):
        return _file_list([{"file": uri} for uri in over], folder, place), None
    return _of_items(over, folder, place)


def _at(text: str, folder: Path, place: Place) -> tuple[Source, Items | None]:
    is_pattern, path = are_many(text), Path(text).expanduser()
    if is_in_a_store(text):
        if is_table_file(text):
            return Source("table", "uri_file", text), None
        if is_pattern or (Path(text).suffix and not text.endswith("/")):
            return _file_list([{"pattern" if is_pattern else "file": text}], folder, place), None
        return Source("files", "uri_folder", text), None
    if is_table_file(text) and (is_pattern or path.is_file()):
        return Source("table", "uri_file", str(path.absolute())), None
    return _of_items(_files(path), folder, place)


def is_in_a_store(text: str) -> bool:
    """Whether the text is a URI, not a path of this machine."""
    return "://" in text or text.startswith(_STORES)


def are_many(text: str) -> bool:
    """Whether the text is a pattern."""
    return bool(set(text) & set(_GLOB))


def is_table_file(text: str) -> bool:
    """Whether the name is that of a table, packed or not, or a pattern of such names."""
    name = text.lower()
    for packed in _PACKED:
        name = name.removesuffix(packed)
    return name.endswith(_ROWS)


def _files(path: Path) -> list[Path]:
    """A file, the files below a folder, or those that a pattern names, in the order of their names."""
    if path.is_file():
        return [path]
    if path.is_dir():
        found = sorted(one for one in path.rglob("*") if one.is_file() and not one.name.startswith("."))
    else:
        root = Path(path.anchor) if path.is_absolute() else Path()
        pattern = str(path.relative_to(path.anchor)) if path.is_absolute() else str(path)
        found = sorted(one for one in root.glob(pattern) if one.is_file()) if pattern != "." else []
    if not found:
        raise InputError(f"{path}: there is no file")
    return found


def _of_items(over: Iterable[Any], folder: Path, place: Place) -> tuple[Source, Items]:
    items = Items(folder / ITEMS)
    items.write(over)
    return Source("values", "uri_file", place(ITEMS)), items


def _are_in_a_store(over: Any) -> bool:
    """Whether all items are addresses of objects in a store: the function gets the files then."""
    texts = isinstance(over, Sequence) and len(over) > 0
    return texts and all(isinstance(one, str) and one.startswith(_STORES) for one in over)


def _is_table(over: Any) -> bool:
    kind = type(over)
    return f"{kind.__module__.partition('.')[0]}.{kind.__name__}" in (
        "pandas.DataFrame",
        "pyarrow.Table",
        "polars.DataFrame",
    )


def _write_parquet(table: Any, path: Path) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as exc:
        raise MissingExtraError("a table as input", "tables") from exc
    if hasattr(table, "to_arrow"):  # of polars
        table = table.to_arrow()
    elif not isinstance(table, pa.Table):
        table = pa.Table.from_pandas(table, preserve_index=False)
    pq.write_table(table.replace_schema_metadata(None), path)


def _file_list(paths: list[dict[str, str]], folder: Path, place: Place) -> Source:
    """An MLTable in the staging folder, which is JSON and so YAML, too: a list of files in the order of the caller."""
    (folder / MLTABLE).write_text(json.dumps({"paths": paths}), "utf-8")
    return Source("files", "mltable", place("").rstrip("/"))
