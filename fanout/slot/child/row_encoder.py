"""What run() returned, as bytes of the step's row format; encoded in the slot, so that reducing is joining.

Text follows Azure (reference, section 7): str() of each element, DataFrames separated by blanks without header or
index, `parallel_run_step.settings.json` in the code folder overriding `to_csv`. Imported by the slot's child process:
pandas and pyarrow only where a script already uses them or the format needs them.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from fanout.backports import cache, dataclass
from fanout.errors import EntryScriptError
from fanout.records.row_format import RowFormat, schema_text

SETTINGS_FILE = "parallel_run_step.settings.json"


@dataclass(slots=True)  # not frozen: one is made for every mini-batch, and that makes it three times as slow
class EncodedRows:
    """Rows ready to be joined with those of other mini-batches; `header` is the header line that belongs to them."""

    count: int
    payload: bytes
    header: str | None = None


@dataclass(frozen=True, slots=True)
class RowEncoder:
    """Turns returns into rows of one format; `to_csv` overrides pandas' options."""

    format: RowFormat
    to_csv: Mapping[str, Any] = field(default_factory=dict)

    def encode(self, result: Any) -> EncodedRows:
        """The rows of one mini-batch, each ended by a newline (or one Arrow stream for parquet)."""
        if self.format is RowFormat.NONE:
            return EncodedRows(0, b"")
        if self.format is RowFormat.TEXT:
            return self._text(result)
        if self.format is RowFormat.JSONL:
            return _json_lines(result)
        return _arrow_stream(result) if self.format is RowFormat.PARQUET else self._delimited(result)

    def _text(self, result: Any) -> EncodedRows:
        if type(result) is list and set(map(type, result)) == {str}:  # as nearly always
            return EncodedRows(len(result), ("\n".join(result) + "\n").encode())
        if _is_frame(result):
            options = {"sep": " ", "header": False, "index": False, **self.to_csv}
            rows = self._quick_lines(result, " ")
            return EncodedRows(len(result), result.to_csv(**options).encode() if rows is None else rows)
        return EncodedRows(len(result), "".join([f"{element}\n" for element in result]).encode())

    def _delimited(self, result: Any) -> EncodedRows:
        separator = "\t" if self.format is RowFormat.TSV else ","
        if _is_frame(result):
            options = {
                "sep": separator,
                "index": False,
                _name_of_line_end(sys.modules["pandas"].__version__): "\r\n",
                **self.to_csv,
            }
            header = _Lines()
            result.iloc[:0].to_csv(header, **{**options, "header": True})
            rows = self._quick_lines(result, separator)
            if rows is None:
                rows = self._lines_of(result, {**options, "header": False}).encode()
            return EncodedRows(len(result), rows, _encodable(header.getvalue()))
        return _delimited_elements(list(result), separator)

    def _quick_lines(self, frame: Any, separator: str) -> bytes | None:
        """The rows of a DataFrame, ended by newlines, where pyarrow writes them as `to_csv` would."""
        try:
            from fanout.slot.child.dataframe_lines import frame_lines
        except ImportError:  # a script may use pandas without pyarrow
            return None
        return frame_lines(frame, self.to_csv.get("sep", separator)) if self.to_csv.keys() <= {"sep"} else None

    def _lines_of(self, frame: Any, options: Mapping[str, Any]) -> str:
        """The same for all others, by `to_csv`."""
        if not self.to_csv:
            text = io.StringIO(newline="")
            frame.to_csv(text, **options)
            if '"' not in (rows := text.getvalue()):
                return rows.replace("\r\n", "\n")  # without quotes no field holds a line end
        lines = _Lines()  # a call for each line
        frame.to_csv(lines, **options)
        return lines.getvalue()


def read_settings(code: str | None, entry_script: str = "") -> dict[str, Any]:
    """Options for `DataFrame.to_csv` from the settings file in the code folder, or beside the script; {} without."""
    folder = Path(code or ".")
    beside = (folder / entry_script).parent if entry_script.endswith(".py") else folder
    path = next((path for path in (folder / SETTINGS_FILE, beside / SETTINGS_FILE) if path.is_file()), None)
    if path is None:
        return {}
    try:
        options = json.loads(path.read_text("utf-8")).get("append_row", {}).get("pandas.DataFrame.to_csv", {})
        return dict(options)
    except (ValueError, AttributeError, TypeError, RecursionError) as exc:
        raise EntryScriptError(f"{SETTINGS_FILE}: not the settings of append_row: {exc}") from exc


def _is_frame(result: Any) -> bool:
    frame = getattr(sys.modules.get("pandas"), "DataFrame", None)
    return frame is not None and isinstance(result, frame)


@cache
def _name_of_line_end(version: str) -> str:
    return "lineterminator" if tuple(map(int, version.split(".")[:2])) >= (1, 5) else "line_terminator"


class _Lines(io.StringIO):
    """Lines of a CSV writer, ended by a newline alone. The writer itself must end them by both characters of a line
    end, else it leaves fields that hold the other one without quotes, and readers find a line too many."""

    def write(self, line: str) -> int:
        return super().write(line[:-2] + "\n" if line.endswith("\r\n") else line)


def _delimited_elements(elements: Sequence[Any], separator: str) -> EncodedRows:
    """Dicts become columns, tuples and lists become fields, anything else a line as it is."""
    text = _Lines()
    writer = csv.writer(text, delimiter=separator)
    if elements and all(isinstance(element, Mapping) for element in elements):
        columns = list(dict.fromkeys(key for element in elements for key in element))
        writer.writerows([[element.get(column) for column in columns] for element in elements])
        return EncodedRows(len(elements), text.getvalue().encode(), _header_line(columns, separator))
    for element in elements:
        if isinstance(element, (tuple, list)):
            writer.writerow(element)
        else:
            text.write(f"{element}\n")
    return EncodedRows(len(elements), text.getvalue().encode())


def _header_line(columns: Sequence[Any], separator: str) -> str:
    text = _Lines()
    csv.writer(text, delimiter=separator).writerow(columns)
    return _encodable(text.getvalue())


def _encodable(header: str) -> str:
    """`header` itself; UnicodeEncodeError here, in the attempt, and not when rows are joined."""
    header.encode()
    return header


def _json_lines(result: Any) -> EncodedRows:
    elements = _records(result) if _is_frame(result) else result
    return EncodedRows(len(result), "".join([_json_line(element) + "\n" for element in elements]).encode())


def _records(frame: Any) -> list[dict[str, Any]]:
    """Its rows, with None for whatever is missing. Not `to_json`: that cuts numbers off after a few digits."""
    names = [str(column) for column in frame.columns]
    if len(set(names)) < len(names):
        raise EntryScriptError(f"run() returned a DataFrame with two columns of one name: {', '.join(names)}")
    rows = frame.astype(object).where(frame.notna(), None).itertuples(index=False, name=None)
    return [dict(zip(names, row)) for row in rows]


def _json_line(element: Any) -> str:
    """Text that is a JSON object or array already is kept: scripts return ready-made lines."""
    if isinstance(element, str) and element[:1] in ("{", "["):
        try:
            _decode(element)
        except ValueError:
            pass
        else:
            return element.strip().replace("\r", " ").replace("\n", " ")  # raw line ends are outside of its texts
    try:
        return _compose_strictly(element)
    except ValueError:  # JSON has no NaN and no infinity: null, as pandas writes them
        return _compose_strictly(_decode_with_nulls(_compose(element)))


def _plain(value: Any) -> Any:
    """Numpy's scalars and arrays as Python's own, times as ISO 8601; anything else as text."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


# Made once, and before a script may put something else in the place of json.dumps and json.loads.
_compose = json.JSONEncoder(default=_plain).encode
_compose_strictly = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_plain).encode
_decode = json.JSONDecoder().decode
_decode_with_nulls = json.JSONDecoder(parse_constant=lambda _: None).decode


def _arrow_stream(result: Any) -> EncodedRows:
    import pyarrow as pa

    if _is_frame(result):
        table = pa.Table.from_pandas(result, preserve_index=False)
    else:
        table = _table_of([e if isinstance(e, Mapping) else {"value": _cell(e)} for e in result])
    if not table.num_columns:
        return EncodedRows(0, b"")
    table = table.replace_schema_metadata(None)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return EncodedRows(table.num_rows, sink.getvalue().to_pybytes(), schema_text(table.schema))


def _table_of(elements: Sequence[Mapping[Any, Any]]) -> Any:
    """An Arrow table with a column for every key of every element, in the order of first appearance."""
    import pyarrow as pa

    columns = dict.fromkeys(key for element in elements for key in element)
    return pa.table({str(key): _array([_plain_or_same(element.get(key)) for element in elements]) for key in columns})


def _array(values: list[Any]) -> Any:
    """A column of values, whose type they show; also times of a zone with gaps, and whole numbers beyond int64."""
    import pyarrow as pa

    try:
        return pa.array(values)
    except OverflowError:
        # As uint64 they would not fit together with the int64 of other mini-batches.
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    except ValueError as exc:
        if isinstance(exc, pa.ArrowException):
            raise
        return pa.array(values, from_pandas=True)  # NaT has no offset to ask for


def _cell(element: Any) -> Any:
    plain = _plain_or_same(element)
    return plain if isinstance(plain, (str, int, float, type(None))) else str(plain)


def _plain_or_same(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value
