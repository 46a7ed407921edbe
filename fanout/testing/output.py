"""What a step has put out, as tests look at it: text, rows, a DataFrame, files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from obstore.store import ObjectStore


@dataclass(frozen=True, slots=True)
class Output:
    """A file or a folder at `uri`, on this machine or on the servers that `environ` leads to."""

    uri: str
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def path(self) -> Path:
        """Where it is on this machine; ValueError when it lies on S3, where the other methods read too."""
        from fanout.storage.open import local_path

        if not self.uri.startswith("file:"):
            raise ValueError(
                f"{self.uri} is not on this machine; read it with content(), text(), dataframe() or files()"
            )
        return local_path(self.uri)

    def content(self) -> bytes:
        """All of a file; FileNotFoundError when there is none."""
        store, key = self._locate()
        return _get(store, key, self.uri)

    def text(self) -> str:
        """All of a text file."""
        return self.content().decode()

    def rows(self) -> list[str]:
        """The lines of a text file, without their ends."""
        return self.text().splitlines()

    def dataframe(self, **options: Any) -> "pd.DataFrame":
        """The table in a file, read by its extension: .csv, .tsv, .jsonl, .parquet; any other as Azure's text.

        Azure's text is separated by blanks and has no header. `options` go to the function of pandas that reads it.
        """
        import io

        import pandas as pd

        from fanout.records.row_format import RowFormat, row_format

        body = io.BytesIO(self.content())
        frame: pd.DataFrame
        match row_format(self.uri):
            case RowFormat.PARQUET:
                frame = pd.read_parquet(body, **options)
            case RowFormat.JSONL:
                frame = pd.read_json(body, **{"lines": True, **options})
            case RowFormat.CSV:
                frame = pd.read_csv(body, **options)
            case RowFormat.TSV:
                frame = pd.read_csv(body, **{"sep": "\t", **options})
            case _:
                frame = pd.read_csv(body, **{"sep": " ", "header": None, **options})
        return frame

    def files(self) -> dict[str, bytes]:
        """What is in a folder: the content of each file by its path in the folder, sorted."""
        store, key = self._locate()
        return {name[len(key) + 1 :]: _get(store, name, self.uri) for name in _list(store, f"{key}/")}

    def _locate(self) -> "tuple[ObjectStore, str]":
        from fanout.storage.access import Access
        from fanout.storage.open import locate

        return locate(self.uri, Access.from_environ(self.environ))


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
