"""A table as the text of an MLTable file, which reads back as the same table. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from fanout.tables.formats.readers import SAMPLE_ROWS, Delimited, DeltaLake, JsonLines, Parquet, Reader
from fanout.tables.mltable_file import MLTableFile
from fanout.tables.transformations import (
    Conversion,
    ConvertColumnTypes,
    DropColumns,
    ExtractPartitions,
    Filter,
    KeepColumns,
    Skip,
    Take,
    TakeSample,
    Transformation,
)
from fanout.tables.values.column_pattern import ColumnPattern
from fanout.tables.values.types import ColumnType, Kind

Document = dict[str, Any]


def to_text(table: MLTableFile, paths: Sequence[Mapping[str, str]]) -> str:
    """The MLTable file of `table`, its files named by `paths`."""
    import yaml

    document: Document = {"type": "mltable", "paths": [dict(path) for path in paths]}
    transformations = [_reader(table.reader)] if table.reader is not None else []
    transformations += [_step(step) for step in table.transformations]
    if transformations:
        document["transformations"] = transformations
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    return text


def _reader(reader: Reader) -> Document:
    match reader:
        case Delimited():
            return {
                "read_delimited": {
                    "delimiter": reader.delimiter,
                    "encoding": reader.encoding,
                    "header": reader.header.value,
                    "empty_as_string": reader.empty_as_string,
                    "include_path_column": reader.include_path_column,
                    "support_multi_line": reader.support_multi_line,
                    "infer_column_types": _inference(reader),
                }
            }
        case JsonLines():
            return {
                "read_json_lines": {
                    "encoding": reader.encoding,
                    "invalid_lines": reader.invalid_lines,
                    "include_path_column": reader.include_path_column,
                }
            }
        case Parquet():
            return {"read_parquet": {"include_path_column": reader.include_path_column}}
        case DeltaLake():
            of = {"version_as_of": reader.version_as_of, "timestamp_as_of": reader.timestamp_as_of}
            given = {name: value for name, value in of.items() if value is not None}
            return {"read_delta_lake": {**given, "include_path_column": reader.include_path_column}}


def _inference(reader: Delimited) -> bool | Document:
    if not reader.infer_column_types or (not reader.overrides and reader.sample_rows == SAMPLE_ROWS):
        return reader.infer_column_types
    found: Document = {"sample_size": reader.sample_rows}
    if reader.overrides:
        given = (Conversion((name,), kind) for name, kind in reader.overrides)
        found["column_type_overrides"] = [_conversion(conversion) for conversion in given]
    return found


def _step(step: Transformation) -> Document:
    match step:
        case KeepColumns(names=names, pattern=pattern) | DropColumns(names=names, pattern=pattern):
            return {step.kind: _columns(names, pattern)}
        case Filter(expression=expression):
            return {step.kind: expression}
        case ConvertColumnTypes(conversions=conversions):
            return {step.kind: [_conversion(conversion) for conversion in conversions]}
        case ExtractPartitions(partition_format=form):
            return {step.kind: {"partition_format": form}}
        case Take(count=count) | Skip(count=count):
            return {step.kind: count}
        case TakeSample(probability=probability, seed=seed, above=0.0):
            return {step.kind: {"probability": probability, "seed": seed}}
        case TakeSample(probability=probability, seed=seed, above=above):
            bounds = {"probability": probability, "probability_lower_bound": above, "seed": seed}
            return {"sample": {"sampler": "random_percent", "sampler_arguments": bounds}}


def _conversion(conversion: Conversion) -> Document:
    selected = _columns(conversion.columns, conversion.pattern)
    return {"columns": selected, "column_type": _column_type(conversion.type)}


def _columns(names: tuple[str, ...], pattern: ColumnPattern | None) -> list[str] | Document:
    return list(names) if pattern is None else asdict(pattern)


def _column_type(column: ColumnType) -> str | Document:
    if column.is_plain:
        return column.kind.value
    if column.kind is Kind.DATETIME:
        constant = {"date_constant": column.date_constant} if column.date_constant else {}
        return {"datetime": {"formats": list(column.formats or ())} | constant}
    details: Document = {}
    if column.true_values or column.false_values:
        details = {"true_values": list(column.true_values), "false_values": list(column.false_values)}
    if column.mismatch_as != "null":
        details["mismatch_as"] = column.mismatch_as
    return {"boolean": details}
