"""An output of a run: text, rows, tables, files."""

from pathlib import Path

import pandas as pd
import pytest

from fanout.api.output import Output, json_rows
from fanout.storage.access import Access


def _output(path: Path) -> Output:
    return Output(path.as_uri(), lambda: Access.from_environ({}))


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("a.txt", "1 2\n3 4\n", ["1 2", "3 4"]),
        ("a.csv", "id,name\n00001,Ada\n", [{"id": "00001", "name": "Ada"}]),
        ("a.tsv", "id\tname\n1\tAda\n", [{"id": "1", "name": "Ada"}]),
        ("a.jsonl", '{"x": 1}\n[2]\n"three"\n', [{"x": 1}, [2], "three"]),
    ],
)
def test_rows_by_the_extension(tmp_path: Path, name: str, content: str, rows: list[object]) -> None:
    """Texts of delimited files stay texts: no zero is lost."""
    path = tmp_path / name
    path.write_text(content)
    assert _output(path).rows() == rows


def test_tables(tmp_path: Path) -> None:
    """Parquet as rows, pandas and Arrow; CSV as pandas."""
    path = tmp_path / "a.parquet"
    pd.DataFrame({"x": [1, 2]}).to_parquet(path)
    assert _output(path).rows() == [{"x": 1}, {"x": 2}]
    assert _output(path).to_arrow().column_names == ["x"]
    (tmp_path / "a.csv").write_text("x\n1\n")
    assert _output(tmp_path / "a.csv").to_pandas()["x"].tolist() == [1]
    assert _output(tmp_path / "a.csv").to_arrow().to_pylist() == [{"x": 1}]


def test_a_folder_and_what_is_not_there(tmp_path: Path) -> None:
    """Files by their path in the folder; FileNotFoundError names the place."""
    (tmp_path / "out" / "sub").mkdir(parents=True)
    (tmp_path / "out" / "sub" / "a.txt").write_text("a")
    assert _output(tmp_path / "out").files() == {"sub/a.txt": b"a"}
    with pytest.raises(FileNotFoundError, match="there is no file at"):
        _output(tmp_path / "b.txt").text()


def test_an_output_in_s3_has_no_path() -> None:
    """The message says how to read it."""
    with pytest.raises(ValueError, match="read it with"):
        _ = Output("s3://bucket/a.txt", lambda: Access.from_environ({})).path


@pytest.mark.parametrize("line", ["1,2", "[1", "", "1 2", "{'a': 1}"])
def test_what_is_no_line_of_json(line: str) -> None:
    """Is an error, and never two values or none."""
    with pytest.raises(ValueError, match=r"line 1 column"):
        json_rows(f"1\n{line}\n2\n".encode())
    assert json_rows(b'\xef\xbb\xbf 1 \r\n"\xe2\x80\xa8"\n{"a": null}') == [1, "\u2028", {"a": None}]
    assert json_rows(b"") == []
