"""What may be passed to the functions of mltable, and what each refusal says."""

from collections.abc import Callable
from typing import Any

import pytest

from fanout.errors import InputError
from fanout.mltable import DataType, MLTableFileEncoding, MLTableHeaders, options
from fanout.tables.formats.readers import HeaderMode
from fanout.tables.transformations import Conversion
from fanout.tables.values.types import ColumnType, Kind


def test_types_by_their_functions() -> None:
    """Each function of DataType is a type of convert_column_types."""
    made = [DataType.to_int(), DataType.to_float(), DataType.to_string(), DataType.to_stream(), DataType.to_bool()]
    kinds = [Kind.INT, Kind.FLOAT, Kind.STRING, Kind.STREAM_INFO, Kind.BOOLEAN]
    assert [data_type.column_type for data_type in made] == [ColumnType(kind) for kind in kinds]
    assert DataType.to_datetime("%Y").column_type == ColumnType(Kind.DATETIME, formats=("%Y",))
    assert DataType.to_bool(["y"], ["n"], "true").column_type == ColumnType(
        Kind.BOOLEAN, true_values=("y",), false_values=("n",), mismatch_as="true"
    )


@pytest.mark.parametrize("name", [*HeaderMode, "No_Header", *MLTableHeaders])
def test_headers_by_name_and_by_member(name: str | MLTableHeaders) -> None:
    """Every mode, and names in any case."""
    expected = name.name if isinstance(name, MLTableHeaders) else name.lower()
    assert options.header_mode(name) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("utf-8", "utf8"),
        ("utf-8 bom", "utf8bom"),
        ("iso-8859-1", "iso88591"),
        ("windows-1252", "windows1252"),
        *((member, member.name) for member in MLTableFileEncoding),
    ],
)
def test_encodings_by_name_and_by_member(given: object, expected: str) -> None:
    """As Python writes them, as MLTable files do, and as members."""
    assert options.encoding(given) == expected


def test_inference_in_detail() -> None:
    """A sample size, and types for some columns or groups of them."""
    overrides = {"a": "string", ("b", "c"): DataType.to_float()}
    assert options.inference({"sample_size": 7, "column_type_overrides": overrides}) == (
        True,
        7,
        (("a", ColumnType(Kind.STRING)), ("b", ColumnType(Kind.FLOAT)), ("c", ColumnType(Kind.FLOAT))),
    )
    assert options.inference({}) == options.inference(True) == (True, 200, ())
    assert options.inference(False) == (False, 200, ())


def test_conversions_of_columns_and_groups() -> None:
    """Types by name or as DataType."""
    assert options.conversions("x", {"a": "int", ("b", "c"): DataType.to_string()}) == (
        Conversion(("a",), ColumnType(Kind.INT)),
        Conversion(("b", "c"), ColumnType(Kind.STRING)),
    )


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: options.header_mode("x"), "header: expected one of 'no_header'"),
        (lambda: options.header_mode(3), "header: expected one of"),
        (lambda: options.encoding("ebcdic"), "encoding: expected one of 'utf8'"),
        (lambda: options.encoding(None), "encoding: expected"),
        (lambda: options.flag("x", 1), "x: expected True or False, got 1"),
        (lambda: options.delimiter("ab"), "delimiter: expected one character"),
        (lambda: options.delimiter('"'), "delimiter: expected one character"),
        (lambda: options.count("take", 0), "take: expected a whole number of at least 1, got 0"),
        (lambda: options.count("take", True), "take: expected a whole number"),
        (lambda: options.count("take", 1.5), "take: expected a whole number"),
        (lambda: options.share("percent", 1), "percent: expected a number greater than 0 and less than 1"),
        (lambda: options.share("percent", float("nan")), "percent: expected"),
        (lambda: options.share("percent", "0.5"), "percent: expected"),
        (lambda: options.seed(1.5), "seed: expected a whole number"),
        (lambda: options.seed(-1), "seed: expected a whole number"),
        (lambda: options.names("keep_columns", 3), "keep_columns: expected the name of a column"),
        (lambda: options.names("keep_columns", [1]), "keep_columns: expected the name of a column"),
        (lambda: options.names("keep_columns", ["a", "a"]), "keep_columns: each column once, found a twice"),
        (lambda: options.conversions("x", {}), "x: expected a dictionary"),
        (lambda: options.conversions("x", ["a"]), "x: expected a dictionary"),
        (lambda: options.conversions("x", {"a": "int", ("a", "b"): "int"}), "x: each column once, found a twice"),
        (lambda: options.conversions("x", {"a": "nope"}), "x: expected a DataType, or one of 'int'"),
        (lambda: options.conversions("x", {"a": "datetime"}), "x: expected a DataType"),
        (lambda: options.inference("x"), "infer_column_types: expected True, False or a dictionary"),
        (lambda: options.inference({"sample": 1}), "infer_column_types: unknown key 'sample'.*sample_size"),
        (lambda: options.inference({"sample_size": 0}), "sample_size: expected a whole number"),
        (lambda: DataType.to_bool(["x"]), "to_bool: true_values and false_values: expected two lists"),
        (lambda: DataType.to_bool(["x"], ["x"]), "to_bool: .'x'. cannot be both"),
        (lambda: DataType.to_bool("x", "y"), "expected a list of texts"),  # type: ignore[arg-type]
        (lambda: DataType.to_bool(mismatch_as="no"), "to_bool: mismatch_as: expected 'error'"),
        (lambda: DataType.to_datetime([]), "expected a list of texts"),
        (lambda: DataType.to_datetime("%Q"), "to_datetime: '%Q' is no datetime format"),
    ],
)
def test_what_is_refused_and_why(call: Callable[[], Any], why: str) -> None:
    """The message names the argument and what it may be."""
    with pytest.raises(InputError, match=why):
        call()
