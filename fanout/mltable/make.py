"""How a script comes by a table: from an MLTable file, or from paths and how they are read.

Local paths start from the current folder. Datastores are those of the run inside a step, elsewhere those of the
fanout.toml found from the current folder upward.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from fanout.errors import InputError
from fanout.files import uris
from fanout.mltable import options
from fanout.mltable.options import DataType, MLTableFileEncoding, MLTableHeaders
from fanout.mltable.table import MLTable
from fanout.pipeline.data.locations import in_datastore
from fanout.pipeline.yaml.diagnostics import CheckFailed, suggest
from fanout.storage.access import Access
from fanout.storage.datastores import VARIABLE
from fanout.tables import mltable_file as data
from fanout.tables.formats.readers import Delimited, DeltaLake, JsonLines, Parquet, Reader, is_timestamp
from fanout.tables.mltable_file import PathEntry, PathKind

Paths = Sequence[Mapping[str, str]]
Inference = bool | Mapping[str, int | Mapping[str | tuple[str, ...], str | DataType]]
_KINDS = ("file", "folder", "pattern")


def load(
    uri: str | os.PathLike[str], storage_options: Mapping[str, str] | None = None, ml_client: Any = None
) -> MLTable:
    """The table whose MLTable file is in the folder at `uri`: a path, `azureml://datastores/…`, s3:// or another URI.

    InputError when there is none, naming every place in it that is wrong. There is no workspace here, so
    `storage_options` and `ml_client` change nothing.
    """
    del storage_options, ml_client
    if not isinstance(uri, str | os.PathLike):
        raise InputError(f"load: expected the path or URI of a folder, got {uri!r:.60}")
    access = _access_here()
    return MLTable(data.load_mltable(_at(os.fspath(uri), access), access), access)


def from_paths(paths: Paths) -> MLTable:
    """The files that `paths` name, one a row: a list of `{'file': …}`, `{'folder': …}` and `{'pattern': …}`."""
    return _made(paths, None)


def from_delimited_files(
    paths: Paths,
    header: str | MLTableHeaders = "all_files_same_headers",
    delimiter: str = ",",
    support_multi_line: bool = False,
    empty_as_string: bool = False,
    encoding: str | MLTableFileEncoding = "utf8",
    include_path_column: bool = False,
    infer_column_types: Inference = True,
) -> MLTable:
    """The rows of delimited text files; the options are those of `read_delimited`."""
    wanted, sample_rows, overrides = options.inference(infer_column_types)
    reader = Delimited(
        delimiter=options.delimiter(delimiter),
        encoding=options.encoding(encoding),
        header=options.header_mode(header),
        empty_as_string=options.flag("empty_as_string", empty_as_string),
        include_path_column=options.flag("include_path_column", include_path_column),
        support_multi_line=options.flag("support_multi_line", support_multi_line),
        infer_column_types=wanted,
        sample_rows=sample_rows,
        overrides=overrides,
    )
    return _made(paths, reader)


def from_parquet_files(paths: Paths, include_path_column: bool = False) -> MLTable:
    """The rows of parquet files."""
    return _made(paths, Parquet(options.flag("include_path_column", include_path_column)))


def from_json_lines_files(
    paths: Paths,
    invalid_lines: str = "error",
    encoding: str | MLTableFileEncoding = "utf8",
    include_path_column: bool = False,
) -> MLTable:
    """The rows of files with a JSON object a line; `invalid_lines` is 'error' or 'drop'."""
    if invalid_lines not in ("error", "drop"):
        raise InputError(f"invalid_lines: expected 'error' or 'drop', got {invalid_lines!r:.60}")
    reader = JsonLines(
        encoding=options.encoding(encoding),
        invalid_lines=cast('Literal["error", "drop"]', invalid_lines),
        include_path_column=options.flag("include_path_column", include_path_column),
    )
    return _made(paths, reader)


def from_delta_lake(
    delta_table_uri: str,
    timestamp_as_of: str | None = None,
    version_as_of: int | None = None,
    include_path_column: bool = False,
) -> MLTable:
    """The rows of a Delta Lake table as of a version, or a time such as 2024-05-24T00:00:00Z; else the newest.

    Partition columns are among its columns. Needs the extra `delta`.
    """
    if timestamp_as_of is not None and version_as_of is not None:
        raise InputError("from_delta_lake: expected timestamp_as_of or version_as_of, got both")
    if timestamp_as_of is not None and not (isinstance(timestamp_as_of, str) and is_timestamp(timestamp_as_of)):
        example = "2024-05-24T00:00:00Z"
        raise InputError(
            f"timestamp_as_of: expected a time with its offset, such as {example}, got {timestamp_as_of!r:.60}"
        )
    version = None if version_as_of is None else options.count("version_as_of", version_as_of, least=0)
    reader = DeltaLake(version, timestamp_as_of, options.flag("include_path_column", include_path_column))
    return _made([{"folder": delta_table_uri}], reader)


def _made(paths: Paths, reader: Reader | None) -> MLTable:
    if isinstance(paths, str | Mapping) or not isinstance(paths, Sequence) or not paths:
        raise InputError(f"paths: expected a list such as [{{'file': 'a.csv'}}], got {paths!r:.60}")
    access, here = _access_here(), uris.from_path(Path.cwd())
    entries = tuple(_entry(path, here, access) for path in paths)
    # No file is the MLTable of this table, so the URI names the folder that its paths start from.
    return MLTable(data.MLTableFile(f"{here}/", entries, reader), access)


def _entry(path: object, here: str, access: Access) -> PathEntry:
    pairs = list(path.items()) if isinstance(path, Mapping) else []
    if len(pairs) != 1 or not all(isinstance(text, str) and text for text in pairs[0]):
        raise InputError(f"paths: expected one of 'file', 'folder' and 'pattern' with a path, got {path!r:.80}")
    [(kind, written)] = pairs
    if kind not in _KINDS:
        raise InputError(f"paths: unknown key {kind!r:.60}{suggest(kind, _KINDS)}")
    return data.path_entry(cast("PathKind", kind), written, here, access.datastores)


def _at(uri: str, access: Access) -> str:
    try:
        return in_datastore(uri, access.datastores)
    except CheckFailed as wrong:
        raise InputError(str(wrong)) from wrong


def _access_here() -> Access:
    """Of a process that fanout has started, what it was given; of any other, what fanout.toml and environment say."""
    if os.environ.get(VARIABLE):
        return Access.from_environ(os.environ)
    from fanout.config.settings import access_of, load_settings

    return access_of(load_settings(Path.cwd(), None, os.environ), os.environ)
