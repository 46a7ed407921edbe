"""Rows: what run() returned, as bytes of the step's format (reference, section 7)."""

import datetime
import io
import json
import math
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.errors import EntryScriptError
from fanout.records.row_format import RowFormat
from fanout.slot.child.row_encoder import EncodedRows, RowEncoder, read_settings

FRAME = pd.DataFrame({"a": [1, 2], "b": ["x y", None]})
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)


def _encode(kind: RowFormat, result: Any, **to_csv: Any) -> EncodedRows:
    return RowEncoder(kind, to_csv).encode(result)


def _json(result: Any) -> list[Any]:
    return [json.loads(line) for line in _encode(RowFormat.JSONL, result).payload.decode().split("\n")[:-1]]


def _arrow(rows: EncodedRows) -> pa.Table:
    return pa.ipc.open_stream(rows.payload).read_all()


@pytest.mark.parametrize("result", [["a", "b"], FRAME, np.array([1, 2])])
def test_summary_only_keeps_nothing(result: Any) -> None:
    """Without append_row_to, returns are counted elsewhere and written nowhere."""
    assert _encode(RowFormat.NONE, result) == EncodedRows(0, b"")


@pytest.mark.parametrize(
    ("result", "payload"),
    [
        (["a", 1, None, 2.5, {"k": 1}, ("t",)], b"a\n1\nNone\n2.5\n{'k': 1}\n('t',)\n"),
        (("é",), "é\n".encode()),
        (["two\nlines"], b"two\nlines\n"),
        (FRAME, b'1 "x y"\n2 \n'),
        (FRAME.iloc[:0], b""),
        ([], b""),
    ],
)
def test_text_is_azures(result: Any, payload: bytes) -> None:
    """str() of each element; DataFrames separated by blanks, without header or index."""
    assert _encode(RowFormat.TEXT, result) == EncodedRows(len(result), payload)


def test_settings_override_the_options_of_to_csv() -> None:
    """Whatever the settings file names is passed on, for text and for CSV; a header is never among the rows of CSV."""
    assert _encode(RowFormat.TEXT, FRAME, sep=";", index=True, na_rep="-").payload == b"0;1;x y\n1;2;-\n"
    rows = _encode(RowFormat.CSV, FRAME, sep=";", header=True)
    assert (rows.header, rows.payload) == ("a;b\n", b"1;x y\n2;\n")


@pytest.mark.parametrize(("kind", "mark"), [(RowFormat.CSV, ","), (RowFormat.TSV, "\t")])
def test_columns_of_delimited_rows(kind: RowFormat, mark: str) -> None:
    """DataFrames and dicts bring a header, dicts the union of their keys; tuples are fields, texts lines."""
    assert _encode(kind, FRAME) == EncodedRows(2, f"1{mark}x y\n2{mark}\n".encode(), f"a{mark}b\n")
    dicts = _encode(kind, [{"a": 1}, {"b": mark, "a": 'say "x"'}])
    assert dicts == EncodedRows(2, f'1{mark}\n"say ""x"""{mark}"{mark}"\n'.encode(), f"a{mark}b\n")
    assert _encode(kind, [(1, None), [2, "x"]]) == EncodedRows(2, f"1{mark}\n2{mark}x\n".encode())
    assert _encode(kind, [f"ready{mark}made", 3]) == EncodedRows(2, f"ready{mark}made\n3\n".encode())
    assert _encode(kind, []) == EncodedRows(0, b"")


def test_keys_of_a_dict_need_not_be_text() -> None:
    """A number as key is a column like any other, with its values."""
    assert _encode(RowFormat.CSV, [{1: "x", "b": 2}]) == EncodedRows(1, b"x,2\n", "1,b\n")


@given(st.lists(st.lists(PLAIN, min_size=2, max_size=2).map(tuple), max_size=5))
def test_fields_come_back_from_csv(rows: list[tuple[Any, ...]]) -> None:
    """Whatever is in a field, quotes and line ends included, a reader of CSV finds it again."""
    import csv

    text = io.StringIO(_encode(RowFormat.CSV, rows).payload.decode(), newline="")
    expected = [["" if value is None else str(value) for value in row] for row in rows]
    assert list(csv.reader(text)) == expected


def test_line_ends_in_the_fields_of_a_frame() -> None:
    """Either character of a line end is quoted, so that no reader takes it for the end of the row."""
    rows = _encode(RowFormat.CSV, pd.DataFrame({"a\r": ["x\ry", "x\r\ny", "\n", "z\r\n"]}))
    assert (rows.header, rows.payload) == ('"a\r"\n', b'"x\ry"\n"x\r\ny"\n"\n"\n"z\r\n"\n')


@given(
    st.lists(st.dictionaries(TEXTS, st.recursive(PLAIN, lambda s: st.lists(s, max_size=3), max_leaves=5)), max_size=5)
)
def test_json_lines_come_back(elements: list[Any]) -> None:
    """One line for each element, whatever is in it, and the same values again."""
    assert _json(elements) == elements


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_json_lines_of_a_frame_keep_every_digit(numbers: list[float]) -> None:
    """Numbers are written so that reading them gives the same numbers."""
    assert [row["n"] for row in _json(pd.DataFrame({"n": numbers}))] == numbers


def test_json_lines_of_a_frame() -> None:
    """Types keep their meaning; whatever is missing is null."""
    day = pd.Timestamp("2020-02-29T12:00:00")
    frame = pd.DataFrame(
        {
            "t": [day, pd.NaT],
            "c": pd.Categorical(["x", None]),
            "i": pd.array([2**62, None], dtype="Int64"),
            "f": [math.inf, math.nan],
            "o": [{"k": [1]}, None],
            7: [True, False],
        },
        index=[5, 5],
    )
    assert _json(frame) == [
        {"t": "2020-02-29T12:00:00", "c": "x", "i": 2**62, "f": None, "o": {"k": [1]}, "7": True},
        {"t": None, "c": None, "i": None, "f": None, "o": None, "7": False},
    ]
    assert _json(frame.iloc[:0]) == []
    assert _json(frame[[]]) == [{}, {}], "as many lines as rows, even without columns"


def test_json_lines_of_a_frame_with_equal_names() -> None:
    """An object cannot hold one key twice: said, instead of losing a column."""
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(EntryScriptError, match="two columns of one name: a, a"):
        _encode(RowFormat.JSONL, frame)


@pytest.mark.parametrize(
    ("element", "line"),
    [
        ('{"ready": "made"}', '{"ready": "made"}'),
        (' {"a": 1}', '" {\\"a\\": 1}"'),
        ('{"a":\r\n 1}\n', '{"a":   1}'),
        ("{no json", '"{no json"'),
        ("plain", '"plain"'),
        (np.float64(1.5), "1.5"),
        (np.int64(3), "3"),
        (np.array([1, 2]), "[1, 2]"),
        (math.nan, "null"),
        ({"a": [math.inf, np.float32(0.5)]}, '{"a": [null, 0.5]}'),
        (datetime.date(2020, 2, 29), '"2020-02-29"'),
        (MappingProxyType({}), '"{}"'),
        ("é\u2028", '"é\u2028"'),
    ],
)
def test_a_json_line(element: Any, line: str) -> None:
    """Ready-made objects and arrays are kept, each on one line; anything else becomes JSON that every reader takes."""
    assert _encode(RowFormat.JSONL, [element]).payload.decode() == line + "\n"


def test_parquet_of_a_frame() -> None:
    """An Arrow stream of the columns, without the index and without pandas' notes; its header is its schema."""
    rows = _encode(RowFormat.PARQUET, FRAME)
    table = _arrow(rows)
    assert table.to_pydict() == {"a": [1, 2], "b": ["x y", None]}
    assert table.schema.metadata is None
    assert rows.count == 2
    assert rows.header is not None


def test_parquet_of_elements() -> None:
    """Dicts become columns in the order of their first appearance, other elements the column `value`."""
    dicts = _arrow(_encode(RowFormat.PARQUET, [{"b": np.int64(1)}, {"a": "x", "b": 2}]))
    assert dicts.to_pydict() == {"b": [1, 2], "a": [None, "x"]}
    assert _arrow(_encode(RowFormat.PARQUET, [np.float64(1.5), 2.5])).to_pydict() == {"value": [1.5, 2.5]}
    assert _arrow(_encode(RowFormat.PARQUET, [("a", 1)])).to_pydict() == {"value": ["('a', 1)"]}
    assert _encode(RowFormat.PARQUET, []) == EncodedRows(0, b"")


def test_parquet_of_elements_from_a_table_of_parquet() -> None:
    """Times of a zone with gaps, and whole numbers beyond int64, which are fractions then."""
    moment = pd.Timestamp("2020-01-01", tz="Europe/Berlin")
    dicts = [{"t": moment, "u": 2**63 + 5}, {"t": pd.NaT, "u": 1}]
    table = _arrow(_encode(RowFormat.PARQUET, dicts))
    assert table.to_pydict() == {"t": [moment, None], "u": [float(2**63), 1.0]}
    with pytest.raises(pa.ArrowInvalid):
        _encode(RowFormat.PARQUET, [{"a": 1}, {"a": "x"}])


@pytest.mark.parametrize("kind", list(RowFormat))
@pytest.mark.parametrize("result", [["a", "b"], FRAME, [{"a": 1}], [], FRAME.iloc[:0], (1, 2, 3)])
def test_encoding_again_gives_the_same_bytes(kind: RowFormat, result: Any) -> None:
    """A retry that returns the same leaves the same behind."""
    assert _encode(kind, result) == _encode(kind, result)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ('{"append_row": {"pandas.DataFrame.to_csv": {"sep": ","}}}', {"sep": ","}),
        ('{"append_row": {}}', {}),
        ("{}", {}),
        (None, {}),
    ],
)
def test_settings_are_read(tmp_path: Any, text: str | None, options: dict[str, Any]) -> None:
    """What the file says about to_csv; nothing when it says nothing, or is not there."""
    if text is not None:
        (tmp_path / "parallel_run_step.settings.json").write_text(text)
    assert read_settings(str(tmp_path)) == options


def test_settings_beside_a_script_in_a_folder(tmp_path: Any) -> None:
    """Those in the code folder itself win."""
    (tmp_path / "deep").mkdir()
    settings = '{"append_row": {"pandas.DataFrame.to_csv": {"sep": "%s"}}}'
    (tmp_path / "deep" / "parallel_run_step.settings.json").write_text(settings % ";")
    assert read_settings(str(tmp_path), "deep/score.py") == {"sep": ";"}
    assert read_settings(str(tmp_path), "deep.score") == {}
    (tmp_path / "parallel_run_step.settings.json").write_text(settings % ",")
    assert read_settings(str(tmp_path), "deep/score.py") == {"sep": ","}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"append_row": 3}',
        '{"append_row": {"pandas.DataFrame.to_csv": 3}}',
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_damaged_settings_are_an_error(tmp_path: Any, text: str) -> None:
    """The error names the file."""
    (tmp_path / "parallel_run_step.settings.json").write_text(text)
    with pytest.raises(EntryScriptError, match=r"parallel_run_step\.settings\.json: not the settings"):
        read_settings(str(tmp_path))
