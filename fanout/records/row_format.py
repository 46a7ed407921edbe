"""The formats in which returned rows are written (design, section 7). Pure; slots start with it, so cheap to import."""

from __future__ import annotations

from typing import Any

from fanout.backports import StrEnum


class RowFormat(StrEnum):
    """How returned rows are written."""

    NONE = "none"  # summary_only: returns are counted
    TEXT = "text"  # str() of each element; DataFrames separated by blanks, no header
    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    PARQUET = "parquet"


def schema_text(schema: Any) -> str:
    """An Arrow schema as text, for the header of a result entry."""
    import base64

    return base64.b64encode(schema.serialize().to_pybytes()).decode()


def row_format(append_row_uri: str | None) -> RowFormat:
    """The format that an output's extension asks for; Azure's text when it asks for none."""
    if append_row_uri is None:
        return RowFormat.NONE
    _, dot, extension = append_row_uri.rsplit("/", 1)[-1].rpartition(".")
    return {
        "csv": RowFormat.CSV,
        "tsv": RowFormat.TSV,
        "jsonl": RowFormat.JSONL,
        "ndjson": RowFormat.JSONL,
        "parquet": RowFormat.PARQUET,
    }.get(dot and extension.lower(), RowFormat.TEXT)
