"""An output of a run: a file or a folder, read as text, rows, or a table."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from obstore.store import ObjectStore

    from fanout.records.row_format import RowFormat
    from fanout.storage.access import Access


class Output:
    """A file or a folder at `uri`, on this machine or in a store.

    Methods read all of it into memory; FileNotFoundError when it is not there.
    """

    uri: str

    def __init__(self, uri: str, access: "Callable[[], Access]") -> None:
        self.uri = uri
        self._access = access

    def __repr__(self) -> str:
        from fanout.formatting import location

        return f"<fanout output {location(self.uri)}>"

    @property
    def path(self) -> Path:
        """Where it is on this machine; ValueError when it is in S3, from where the other methods read, too."""
        from fanout.storage.open import local_path

        if not self.uri.startswith("file:"):
            raise ValueError(f"{self.uri} is not on this machine; read it with content(), text(), rows() or files()")
        return local_path(self.uri)

    def content(self) -> bytes:
        """All bytes of a file."""
        store, key = self._locate()
        return _get(store, key, self.uri)

    def text(self) -> str:
        """All of a text file, which is UTF-8."""
        return self.content().decode()

    def rows(self) -> list[Any]:
        """The rows of a file, by its extension: dicts of .csv, .tsv and .parquet, values of .jsonl, lines of any other.

        Values of .csv and .tsv are texts, as these formats say no types.
        """
        from fanout.records.row_format import RowFormat

        match self._format():
            case RowFormat.PARQUET:
                return list(self.to_arrow().to_pylist())
            case RowFormat.JSONL:
                return json_rows(self.content())
            case RowFormat.CSV:
                return list(csv.DictReader(io.StringIO(self.text(), newline="")))
            case RowFormat.TSV:
                return list(csv.DictReader(io.StringIO(self.text(), newline=""), delimiter="\t"))
            case _:
                return self.text().splitlines()

    def to_pandas(self, **options: Any) -> "pd.DataFrame":
        """The table in a file, by its extension; any other than .csv, .tsv, .jsonl and .parquet as Azure's text.

        Azure's text is separated by blanks and has no header. `options` go to the function of pandas that reads it.
        MissingExtraError without pandas.
        """
        from fanout.records.row_format import RowFormat

        pandas, body = _library("pandas"), io.BytesIO(self.content())
        frame: pd.DataFrame
        match self._format():
            case RowFormat.PARQUET:
                frame = pandas.read_parquet(body, **options)
            case RowFormat.JSONL:
                frame = pandas.read_json(body, **{"lines": True, **options})
            case RowFormat.CSV:
                frame = pandas.read_csv(body, **options)
            case RowFormat.TSV:
                frame = pandas.read_csv(body, **{"sep": "\t", **options})
            case _:
                frame = pandas.read_csv(body, **{"sep": " ", "header": None, **options})
        return frame

    def to_arrow(self) -> "pa.Table":
        """The table in a file as an Arrow table: .parquet as it is, anything else by way of pandas."""
        from fanout.records.row_format import RowFormat

        pyarrow = _library("pyarrow")
        if self._format() is RowFormat.PARQUET:
            return _library("pyarrow.parquet").read_table(io.BytesIO(self.content()))
        return pyarrow.Table.from_pandas(self.to_pandas(), preserve_index=False)

    def to_polars(self) -> "pl.DataFrame":
        """The table in a file as a polars DataFrame; ImportError without polars, which fanout does not install."""
        import importlib

        frame: pl.DataFrame = importlib.import_module("polars").from_arrow(self.to_arrow())
        return frame

    def files(self) -> dict[str, bytes]:
        """What is in a folder: the content of each file by its path in the folder, sorted."""
        store, key = self._locate()
        return {name[len(key) + 1 :]: _get(store, name, self.uri) for name in _list(store, f"{key}/")}

    def _format(self) -> "RowFormat":
        from fanout.records.row_format import row_format

        return row_format(self.uri)

    def _locate(self) -> "tuple[ObjectStore, str]":
        from fanout.storage.open import locate

        return locate(self.uri, self._access())


def json_rows(body: bytes) -> list[Any]:
    """The values of lines of JSON; ValueError for a line that is none."""
    decode, rows = json.JSONDecoder().raw_decode, list[Any]()
    for line in body.decode("utf-8-sig", "surrogatepass").removesuffix("\n").split("\n") if body else ():
        try:
            row, end = decode(line)  # a third of the time of json.loads, which allows blanks around a value
        except ValueError:
            end = -1
        rows.append(row if end == len(line) else json.loads(line))
    return rows


def _library(name: str) -> Any:
    """The module; MissingExtraError when it is not installed."""
    import importlib

    from fanout.errors import MissingExtraError

    try:
        return importlib.import_module(name)
    except ImportError as exc:
        raise MissingExtraError("reading an output as a table", "tables") from exc


def _get(store: "ObjectStore", key: str, uri: str) -> bytes:
    import obstore

    try:
        return bytes(obstore.get(store, key).bytes())
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file at {uri}") from None


def _list(store: "ObjectStore", prefix: str) -> Iterator[str]:
    import obstore

    found = [str(entry["path"]) for chunk in obstore.list(store, prefix=prefix) for entry in chunk]
    yield from sorted(found)
