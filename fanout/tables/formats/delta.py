"""Delta Lake tables: the parquet files that a version consists of, and its columns, as the transaction log says.

The library deltalake reads the log. Slots do not: the values of partition columns are in each file's path, and the
process that lists the files makes sure that the log says the same.
"""

import datetime
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from fanout.errors import InputError, MissingExtraError
from fanout.files import uris
from fanout.files.listing import FileEntry
from fanout.tables.formats.readers import DeltaLake
from fanout.tables.values.conversion import convert_column
from fanout.tables.values.types import ColumnType, Kind, parser

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

    from fanout.storage.access import Access

NULL = "__HIVE_DEFAULT_PARTITION__"  # in a path, where a partition column has no value
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_KINDS = {
    **dict.fromkeys(("byte", "short", "integer", "long"), Kind.INT),
    **dict.fromkeys(("float", "double"), Kind.FLOAT),
    **dict.fromkeys(("date", "timestamp", "timestamp_ntz"), Kind.DATETIME),
    "boolean": Kind.BOOLEAN,
}


def pinned_reader(reader: DeltaLake, uri: str, access: "Access") -> DeltaLake:
    """The reader with the version and the columns that the table in the folder `uri` has now.

    InputError when the log cannot be read, or the table is one that its parquet files alone do not describe.
    """
    log = _open(reader, uri, access)
    columns = tuple((field.name, _column_type(field.type)) for field in log.schema().fields)
    partitions = tuple(log.metadata().partition_columns)
    version = log.version()
    return replace(reader, version_as_of=version, timestamp_as_of=None, columns=columns, partitions=partitions)


def list_delta_files(reader: DeltaLake, base: str, access: "Access") -> Iterator[FileEntry]:
    """The files of the table in the folder `base` in the order of their paths; InputError where the log differs."""
    import pyarrow as pa

    reader = pinned_reader(reader, base, access)
    actions: list[dict[str, Any]] = pa.table(_open(reader, base, access).get_add_actions(flatten=True)).to_pylist()
    for action in sorted(actions, key=lambda action: str(action["path"])):
        path = unquote(action["path"])
        if path.startswith("/") or uris.scheme(path):
            raise InputError(f"{uris.display(base)}: names files of another table ({path}); copy it as a whole first")
        uri = uris.join(base, path)
        _check_partitions(reader, uri, action)
        yield FileEntry(uri, action["size_bytes"])


def partition_texts(reader: DeltaLake, uri: str) -> dict[str, str | None]:
    """The values of the partition columns in a file's path, as text; None where they are null."""
    found: dict[str, str | None] = {}
    for part in reversed(uris.path_of(uri).split("/")[:-1]):
        name, equals, text = part.partition("=")
        if equals and unquote(name) in reader.partitions:
            found.setdefault(unquote(name), None if text in (NULL, "") else unquote(text))
    return {name: found[name] for name in reader.partitions if name in found}


def complete(rows: "pa.Table", reader: DeltaLake, uri: str, leave_out: frozenset[str]) -> "pa.Table":
    """Rows of a file with the columns of the log, in its order; null where the file is older than a column."""
    import pyarrow as pa

    texts = partition_texts(reader, uri)
    wanted = [(name, kind) for name, kind in reader.columns if name not in leave_out]
    for name, kind in wanted:
        if name in texts:
            value = convert_column(pa.chunked_array([pa.array([texts[name]], pa.string())]), kind)[0]
            rows = rows.append_column(name, pa.repeat(value, rows.num_rows))
        elif name not in rows.column_names:
            rows = rows.append_column(name, pa.nulls(rows.num_rows))
    return rows.select([name for name, _ in wanted])


def _column_type(field_type: Any) -> ColumnType:
    """The type of a column as far as partition values need one; nested types stay what parquet makes of them."""
    name = str(getattr(field_type, "type", ""))
    return ColumnType(Kind.FLOAT if name.startswith("decimal") else _KINDS.get(name, Kind.STRING))


def _open(reader: DeltaLake, uri: str, access: "Access") -> "DeltaTable":
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError
    except ImportError:
        raise MissingExtraError("Reading Delta Lake tables", "delta") from None
    place = uris.to_path(uri) if uris.is_local(uri) else uri
    try:
        log = DeltaTable(place, version=reader.version_as_of, storage_options=_storage_options(uri, access))
        if reader.timestamp_as_of is not None:
            log.load_as_version(reader.timestamp_as_of)
        _check_features(log, uri)
    except (DeltaError, OSError) as exc:
        why = " ".join(_COLOURS.sub("", str(exc)).split())[:300]
        version = "" if reader.version_as_of is None else f" of version {reader.version_as_of}"
        raise InputError(f"{uris.display(uri)}: cannot be read as a Delta Lake table{version}: {why}") from exc
    return log


def _storage_options(uri: str, access: "Access") -> dict[str, str] | None:
    """What deltalake needs to reach S3 as we do; it finds the rest in the environment as any AWS tool."""
    if uris.scheme(uri) not in ("s3", "s3a"):
        return None
    known = access.child_environ()
    options = {name: known[name] for name in known if name.startswith("AWS_") and not name.startswith("AWS_ENDPOINT")}
    if access.endpoint_url_s3 is not None:
        options["AWS_ENDPOINT_URL"] = access.endpoint_url_s3
        options["AWS_ALLOW_HTTP"] = "true"
    return options


def _check_features(log: "DeltaTable", uri: str) -> None:
    """InputError for tables whose rows or columns are not those of their parquet files."""
    if log.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        raise InputError(
            f"{uris.display(uri)}: maps its columns to other names, which is not supported; copy the table"
        )
    if "deletionVectors" in (log.protocol().reader_features or ()) and any(b.num_rows for b in log.deletion_vectors()):
        raise InputError(
            f"{uris.display(uri)}: holds deleted rows in deletion vectors, which is not supported; rewrite it with "
            "REORG TABLE … APPLY (PURGE)"
        )


def _check_partitions(reader: DeltaLake, uri: str, action: Mapping[str, Any]) -> None:
    texts, types = partition_texts(reader, uri), dict(reader.columns)
    for name in reader.partitions:
        text, value = texts.get(name, ""), _plain(action.get(f"partition.{name}"))
        if name not in texts or (None if text is None else _value(text, types[name])) != value:
            raise InputError(f"{uris.display(uri)}: the log says {name} = {value!r}, which is not what the path says")


def _value(text: str, column: ColumnType) -> Any:
    value = parser(column)(text)
    if column.kind is Kind.DATETIME and isinstance(value, str):
        return datetime.datetime.fromisoformat(value[:26]).isoformat()  # microseconds are all that Delta Lake knows
    return value


def _plain(value: Any) -> Any:
    """A value of a partition column in the log as `_value` makes it."""
    match value:
        case datetime.datetime():
            return value.replace(tzinfo=None).isoformat()
        case datetime.date():
            return f"{value.isoformat()}T00:00:00"
        case Decimal():
            return float(value)
        case _:
            return value
