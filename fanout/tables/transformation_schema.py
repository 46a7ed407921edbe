"""What each transformation of an MLTable file may hold: marked nodes to values (reference, section 12)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

from fanout.errors import InputError
from fanout.pipeline.yaml.checks import choice, expected, flag, mapping, number, text, whole
from fanout.pipeline.yaml.diagnostics import CheckFailed, Report, suggest
from fanout.pipeline.yaml.fields import Fields
from fanout.pipeline.yaml.tree import ListNode, MapNode, Node, Origin, ScalarNode, is_null
from fanout.tables.formats import readers
from fanout.tables.formats.readers import Delimited, DeltaLake, HeaderMode, JsonLines, Parquet, Reader, is_timestamp
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
from fanout.tables.values.column_pattern import ColumnPattern, tries_of
from fanout.tables.values.filter_expressions import parse_filter
from fanout.tables.values.partition_format import compile_format
from fanout.tables.values.types import STRING, ColumnType, Kind, wrong_format

_COUNT_LIMIT = 2**53
_DEFAULT_SEED = 0  # every try of a run must take the same rows, so there is always a seed
_ENCODING = choice(*readers.ENCODING_NAMES)
_PLAIN_TYPES = choice(*(kind for kind in Kind if kind is not Kind.OBJECT))


@dataclass(frozen=True, slots=True)
class Parsed:
    """One entry of `transformations`: a reader or a step, and where it stands."""

    name: str
    origin: Origin
    reader: Reader | None = None
    step: Transformation | None = None


def parse_transformation(node: Node, report: Report) -> Parsed:
    """The value of an entry: a mapping with one key, or, where all options have defaults, the name alone."""
    name, value = _named(node)
    read = _READERS.get(name)
    if read is not None:
        options = MapNode(node.origin) if value is None or is_null(value) else mapping(value)
        reader = read(Fields(options, report))
        if isinstance(reader, DeltaLake) and None not in (reader.version_as_of, reader.timestamp_as_of):
            raise CheckFailed(f"{name}: expected version_as_of or timestamp_as_of, found both", node.origin)
        return Parsed(name, node.origin, reader=reader)
    step = _STEPS.get(name)
    if step is None:
        raise CheckFailed(_unknown(name), node.origin)
    if value is None or is_null(value):
        raise CheckFailed(f"{name} needs a value", node.origin)
    return Parsed(name, node.origin, step=step(value, report))


def _named(node: Node) -> tuple[str, Node | None]:
    if isinstance(node, ScalarNode):
        return text(node), None
    pairs = list(mapping(node).values())
    if len(pairs) != 1:
        raise expected("a mapping with the name of one transformation as its only key", node)
    return pairs[0]


def _unknown(name: str) -> str:
    known = [*_READERS, *_STEPS]
    return f"unknown transformation '{name[:60]}'{suggest(name, known) or '; there are ' + ', '.join(known)}"


def _read_delimited(fields: Fields) -> Delimited:
    inference = fields.take("infer_column_types", lambda node: _inference(node, fields.report), Inference())
    reader = Delimited(
        delimiter=fields.take("delimiter", _delimiter, ","),
        encoding=readers.ENCODING_NAMES[fields.take("encoding", _ENCODING, "utf8")],
        header=HeaderMode(fields.take("header", choice(*HeaderMode), HeaderMode.ALL_FILES_SAME_HEADERS)),
        empty_as_string=fields.take("empty_as_string", flag, False),
        include_path_column=fields.take("include_path_column", flag, False),
        support_multi_line=fields.take("support_multi_line", flag, False),
        infer_column_types=inference.wanted,
        sample_rows=inference.sample_rows,
        overrides=inference.overrides,
    )
    _ignore_saved(fields)
    return reader


def _read_json_lines(fields: Fields) -> JsonLines:
    dropped = fields.take("invalid_lines", choice("error", "drop"), "error")
    reader = JsonLines(
        encoding=readers.ENCODING_NAMES[fields.take("encoding", _ENCODING, "utf8")],
        invalid_lines="drop" if dropped == "drop" else "error",
        include_path_column=fields.take("include_path_column", flag, False),
    )
    _ignore_saved(fields)
    return reader


def _read_parquet(fields: Fields) -> Parquet:
    reader = Parquet(include_path_column=fields.take("include_path_column", flag, False))
    _ignore_saved(fields)
    return reader


def _read_delta_lake(fields: Fields) -> DeltaLake:
    reader = DeltaLake(
        fields.take("version_as_of", whole(0, _COUNT_LIMIT), None),
        fields.take("timestamp_as_of", _timestamp, None),
        fields.take("include_path_column", flag, False),
    )
    _ignore_saved(fields)
    return reader


def _timestamp(node: Node) -> str:
    written = text(node)
    if not is_timestamp(written):
        raise expected("a time with its offset, such as 2024-05-24T00:00:00Z", node)
    return written


def _ignore_saved(fields: Fields) -> None:
    # The original writes these two when it saves a table; here mini_batch_size and Path have their place.
    fields.ignore("partition_size", "path_column")
    fields.close()


@dataclass(frozen=True, slots=True)
class Inference:
    """`infer_column_types`, written as a flag or in detail."""

    wanted: bool = True
    sample_rows: int = readers.SAMPLE_ROWS
    overrides: tuple[tuple[str, ColumnType], ...] = ()


def _inference(node: Node, report: Report) -> Inference:
    if isinstance(node, ScalarNode):
        return Inference(flag(node))
    fields = Fields(mapping(node), report)
    given = Inference(
        True,
        fields.take("sample_size", whole(1, 1_000_000), readers.SAMPLE_ROWS),
        fields.take("column_type_overrides", lambda value: _overrides(value, report), ()),
    )
    fields.close()
    return given


def _overrides(node: Node, report: Report) -> tuple[tuple[str, ColumnType], ...]:
    """A check: a type for each column; also as the list that the original saves."""
    if isinstance(node, ListNode):
        conversions = [_conversion(item, report) for item in node.items]
        return tuple((name, c.type) for c in conversions for name in c.columns)
    return tuple((name, _column_type(value, report)) for name, value in mapping(node).values())


def _delimiter(node: Node) -> str:
    """One character; of two, as the original has it, the first."""
    written = node.text if isinstance(node, ScalarNode) else ""
    if not 1 <= len(written) <= 2 or written[0] in '\r\n"' or written == "\\t":
        raise expected('one character (for a tab: "\\t" in double quotes)', node)
    return written[0]


def _names(node: Node) -> tuple[str, ...]:
    """A check: a name, or a list of names."""
    return tuple(dict.fromkeys(map(text, node.items))) if isinstance(node, ListNode) else (text(node),)


def _columns(node: Node, report: Report) -> tuple[tuple[str, ...], ColumnPattern | None]:
    """Names of columns, or the pattern that is written in their place."""
    if not isinstance(node, MapNode):
        return _names(node), None
    fields = Fields(node, report)
    pattern = ColumnPattern(
        fields.require("pattern", lambda value: _checked(value, tries_of), ".", "a regular expression"),
        fields.take("ignore_case", flag, False),
        fields.take("invert", flag, False),
    )
    fields.close()
    return (), pattern


def _filter(node: Node, _: Report) -> Filter:
    return Filter(_checked(node, parse_filter))


def _partition_format(node: Node, report: Report) -> ExtractPartitions:
    fields = Fields(mapping(node), report)
    form = fields.require("partition_format", lambda value: _checked(value, compile_format), "{x}", "a format")
    fields.ignore("ignore_errors", "path_column")  # which the original writes when it saves a table
    fields.close()
    return ExtractPartitions(form)


def _checked(node: Node, parse: Callable[[str], object]) -> str:
    written = text(node)
    try:
        parse(written)
    except InputError as exc:
        raise CheckFailed(str(exc), node.origin) from exc
    return written


def _sample(node: Node, report: Report) -> TakeSample:
    fields = Fields(mapping(node), report)
    probability = fields.require("probability", number(0, 1), 1.0, "a number from 0 to 1")
    step = TakeSample(probability, fields.take("seed", whole(0, _COUNT_LIMIT), _DEFAULT_SEED))
    fields.close()
    return step


def _split(node: Node, report: Report) -> TakeSample:
    """`sample`, which is how the original saves what random_split makes."""
    fields = Fields(mapping(node), report)
    fields.require("sampler", choice("random_percent", "randomPercent"), "random_percent", "random_percent")
    details = Fields(fields.require("sampler_arguments", mapping, MapNode(node.origin), "a mapping"), report)
    fields.close()
    step = TakeSample(
        details.require("probability", number(0, 1), 1.0, "a number from 0 to 1"),
        details.take("seed", whole(0, _COUNT_LIMIT), _DEFAULT_SEED),
        details.take("probability_lower_bound", number(0, 1), 0.0),
    )
    details.close()
    return step


def _convert(node: Node, report: Report) -> ConvertColumnTypes:
    if not isinstance(node, ListNode):
        raise expected("a list of {columns, column_type}", node)
    return ConvertColumnTypes(tuple(_conversion(item, report) for item in node.items))


def _conversion(node: Node, report: Report) -> Conversion:
    fields = Fields(mapping(node), report)
    nothing: tuple[tuple[str, ...], ColumnPattern | None] = ((), None)
    selected = fields.require(
        "columns", lambda value: _columns(value, report), nothing, "the name of a column, a list of them, or a pattern"
    )
    kind = fields.require("column_type", lambda value: _column_type(value, report), STRING, "a type")
    fields.close()
    return Conversion(selected[0], kind, selected[1])


def _column_type(node: Node, report: Report) -> ColumnType:
    """A check: a type by its name, or `datetime` or `boolean` with their details."""
    if isinstance(node, ScalarNode):
        return ColumnType(Kind(_PLAIN_TYPES(node)))
    pairs = dict(mapping(node).values())
    if len(pairs) != 1 or not pairs.keys() <= {"datetime", "boolean"}:
        raise expected("the name of a type, {datetime: {formats: ...}} or {boolean: {...}}", node)
    [(name, details)] = pairs.items()
    fields = Fields(mapping(details), report)
    made = _datetime(fields) if name == "datetime" else _boolean(fields)
    fields.close()
    return made


def _datetime(fields: Fields) -> ColumnType:
    return ColumnType(
        Kind.DATETIME,
        formats=fields.require("formats", _formats, (), "a list such as ['%d/%m/%Y']"),
        date_constant=fields.take("date_constant", text, ""),
    )


def _formats(node: Node) -> tuple[str, ...]:
    formats = _names(node)
    for form in formats:
        wrong = wrong_format(form)
        if wrong:
            raise CheckFailed(f"'{form[:60]}' is no datetime format: {wrong}", node.origin)
    return formats


def _boolean(fields: Fields) -> ColumnType:
    mismatch = fields.take("mismatch_as", choice("error", "true", "false"), "null")
    return ColumnType(
        Kind.BOOLEAN,
        true_values=fields.take("true_values", _names, ()),
        false_values=fields.take("false_values", _names, ()),
        mismatch_as=cast('Literal["null", "error", "true", "false"]', mismatch),
    )


_READERS: dict[str, Callable[[Fields], Reader]] = {
    "read_delimited": _read_delimited,
    "read_json_lines": _read_json_lines,
    "read_parquet": _read_parquet,
    "read_delta_lake": _read_delta_lake,
}
_STEPS: dict[str, Callable[[Node, Report], Transformation]] = {
    "keep_columns": lambda node, report: KeepColumns(*_columns(node, report)),
    "drop_columns": lambda node, report: DropColumns(*_columns(node, report)),
    "filter": _filter,
    "take": lambda node, _: Take(whole(0, _COUNT_LIMIT)(node)),
    "skip": lambda node, _: Skip(whole(0, _COUNT_LIMIT)(node)),
    "take_random_sample": _sample,
    "sample": _split,
    "convert_column_types": _convert,
    "extract_columns_from_partition_format": _partition_format,
}
