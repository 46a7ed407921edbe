"""What may be passed to the functions of this package, checked where it comes in: types, headers, encodings, names."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, cast

from fanout.errors import InputError
from fanout.pipeline.yaml.diagnostics import join, suggest
from fanout.tables.formats.readers import CODECS, SAMPLE_ROWS, HeaderMode
from fanout.tables.transformations import Conversion
from fanout.tables.values.types import ColumnType, Kind, wrong_format

Names = str | list[str] | tuple[str, ...] | set[str]
_BY_NAME = {kind.value: kind for kind in Kind if kind not in (Kind.DATETIME, Kind.OBJECT)}
_SEED_LIMIT = 2**53
_MISMATCHES = ("error", "true", "false")


@dataclass(frozen=True, slots=True)
class DataType:
    """A type that columns are converted to; what does not fit it becomes null."""

    column_type: ColumnType

    @staticmethod
    def to_int() -> "DataType":
        """Whole numbers of 64 bits."""
        return DataType(ColumnType(Kind.INT))

    @staticmethod
    def to_float() -> "DataType":
        """Numbers of 64 bits with fractions."""
        return DataType(ColumnType(Kind.FLOAT))

    @staticmethod
    def to_string() -> "DataType":
        """Text."""
        return DataType(ColumnType(Kind.STRING))

    @staticmethod
    def to_stream() -> "DataType":
        """Paths of files; they stay text."""
        return DataType(ColumnType(Kind.STREAM_INFO))

    @staticmethod
    def to_bool(
        true_values: list[str] | None = None, false_values: list[str] | None = None, mismatch_as: str | None = None
    ) -> "DataType":
        """Booleans: true, t, 1, Yes, Y, false, f, 0, No, N and a few like them, or just the given texts.

        What is none of them becomes null, or what `mismatch_as` says: 'true', 'false', or 'error', which refuses it.
        """
        true, false = (_texts(values) for values in (true_values, false_values))
        if bool(true) != bool(false):
            raise InputError("to_bool: true_values and false_values: expected two lists of texts, or neither of them")
        if set(true) & set(false):
            raise InputError(f"to_bool: {sorted(set(true) & set(false))} cannot be both true and false")
        if mismatch_as not in (None, *_MISMATCHES):
            raise InputError(f"to_bool: mismatch_as: expected {join(_MISMATCHES)} or None, got {mismatch_as!r}")
        otherwise = cast('Literal["null", "error", "true", "false"]', mismatch_as or "null")
        return DataType(ColumnType(Kind.BOOLEAN, true_values=true, false_values=false, mismatch_as=otherwise))

    @staticmethod
    def to_datetime(formats: str | list[str], date_constant: str | None = None) -> "DataType":
        """Times by the first of `formats` that fits, in strptime's letters.

        `date_constant` is put in front of texts that are a time alone.
        """
        wanted = (formats,) if isinstance(formats, str) else _texts(formats)
        if not wanted:
            raise InputError("to_datetime: expected at least one format, such as '%d/%m/%Y'")
        for form in wanted:
            if wrong := wrong_format(form):
                raise InputError(f"to_datetime: {form[:60]!r} is no datetime format: {wrong}")
        return DataType(ColumnType(Kind.DATETIME, formats=wanted, date_constant=date_constant or ""))


class MLTableHeaders(Enum):
    """Where the names of columns come from; see `fanout.tables.formats.readers.HeaderMode`."""

    no_header = 1
    from_first_file = 2
    all_files_different_headers = 3
    all_files_same_headers = 4


class MLTableFileEncoding(Enum):
    """What text files are encoded in."""

    utf8 = 1
    iso88591 = 2
    latin1 = 3
    ascii = 4
    utf16 = 5
    utf8bom = 6
    windows1252 = 7


def header_mode(given: object) -> HeaderMode:
    """A header mode by its member or name, in any case; InputError when it is none."""
    name = given.name if isinstance(given, MLTableHeaders) else given
    if not isinstance(name, str) or name.lower() not in list(HeaderMode):
        raise InputError(f"header: expected one of {join(tuple(HeaderMode))} or an MLTableHeaders, got {given!r:.60}")
    return HeaderMode(name.lower())


def encoding(given: object) -> str:
    """An encoding by its member or name, also with dashes; InputError when it is none."""
    name = given.name if isinstance(given, MLTableFileEncoding) else given
    plain = name.lower().replace("-", "").replace(" ", "") if isinstance(name, str) else ""
    if plain not in CODECS:
        raise InputError(f"encoding: expected one of {join(tuple(CODECS))}, got {given!r:.60}")
    return plain


def flag(name: str, given: object) -> bool:
    """True or False; InputError when it is anything else."""
    if not isinstance(given, bool):
        raise InputError(f"{name}: expected True or False, got {given!r:.60}")
    return given


def delimiter(given: object) -> str:
    """One character between fields; InputError when it is none that can be."""
    if not isinstance(given, str) or len(given) != 1 or given in '\r\n"':
        raise InputError(f"delimiter: expected one character, got {given!r:.60}")
    return given


def count(name: str, given: object, least: int = 1) -> int:
    """A whole number of at least `least`; InputError when it is none."""
    if not isinstance(given, int) or isinstance(given, bool) or given < least:
        raise InputError(f"{name}: expected a whole number of at least {least}, got {given!r:.60}")
    return given


def share(name: str, given: object) -> float:
    """A number between 0 and 1, both excluded; InputError when it is none."""
    if not isinstance(given, int | float) or isinstance(given, bool) or not 0 < given < 1:
        raise InputError(f"{name}: expected a number greater than 0 and less than 1, got {given!r:.60}")
    return float(given)


def seed(given: object) -> int | None:
    """A seed, or None; InputError when it is neither."""
    if given is not None and (not isinstance(given, int) or isinstance(given, bool) or not 0 <= given <= _SEED_LIMIT):
        raise InputError(f"seed: expected a whole number from 0 to {_SEED_LIMIT} or None, got {given!r:.60}")
    return given


def names(what: str, given: object) -> tuple[str, ...]:
    """Names of columns: one, or several, each once; InputError when they are anything else."""
    found = (given,) if isinstance(given, str) else given
    if not isinstance(found, list | tuple | set | frozenset) or not all(isinstance(name, str) for name in found):
        raise InputError(f"{what}: expected the name of a column, or a list of names, got {given!r:.60}")
    ordered = tuple(sorted(found)) if isinstance(found, set | frozenset) else tuple(found)
    if twice := sorted({name for name in ordered if ordered.count(name) > 1}):
        raise InputError(f"{what}: each column once, found {', '.join(twice)} twice")
    return ordered


def conversions(what: str, given: object) -> tuple[Conversion, ...]:
    """`{column or tuple of columns: type}`; InputError when it is anything else, or names a column twice."""
    if not isinstance(given, Mapping) or not given:
        raise InputError(f"{what}: expected a dictionary such as {{'a': DataType.to_int()}}, got {given!r:.60}")
    found = tuple(Conversion(names(what, columns), _column_type(what, kind)) for columns, kind in given.items())
    names(what, [name for conversion in found for name in conversion.columns])
    return found


def inference(given: object) -> tuple[bool, int, tuple[tuple[str, ColumnType], ...]]:
    """`infer_column_types`: whether types are inferred, by how many rows, and the types that are given instead."""
    if isinstance(given, bool):
        return given, SAMPLE_ROWS, ()
    known = ("sample_size", "column_type_overrides")
    if not isinstance(given, Mapping):
        raise InputError(f"infer_column_types: expected True, False or a dictionary, got {given!r:.60}")
    for key in given:
        if key not in known:
            raise InputError(f"infer_column_types: unknown key {key!r:.60}{suggest(str(key), known)}")
    rows = count("sample_size", given.get("sample_size", SAMPLE_ROWS))
    overrides = given.get("column_type_overrides")
    return True, rows, tuple(_flat(conversions("column_type_overrides", overrides))) if overrides else ()


def _flat(found: Iterable[Conversion]) -> Iterator[tuple[str, ColumnType]]:
    return ((name, conversion.type) for conversion in found for name in conversion.columns)


def _column_type(what: str, given: object) -> ColumnType:
    if isinstance(given, DataType):
        return given.column_type
    if not isinstance(given, str) or given not in _BY_NAME:
        raise InputError(f"{what}: expected a DataType, or one of {join(tuple(_BY_NAME))}, got {given!r:.60}")
    return ColumnType(_BY_NAME[given])


def _texts(given: Any) -> tuple[str, ...]:
    """A list of texts, or None for none."""
    if given is None:
        return ()
    if not isinstance(given, list | tuple | set) or not given or not all(isinstance(text, str) for text in given):
        raise InputError(f"expected a list of texts, got {given!r:.60}")
    return tuple(given)
