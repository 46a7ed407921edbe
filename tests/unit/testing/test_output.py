"""Outputs read back: by the extension, from a folder and from a store."""

from pathlib import Path

import pandas as pd
import pytest

from fanout.testing.output import Output

FRAME = pd.DataFrame({"name": ["a", "b"], "score": [1, 2]})


def output(path: Path) -> Output:
    return Output(path.as_uri())


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet"])
def test_tables_are_read_by_their_extension(tmp_path: Path, name: str) -> None:
    """What pandas has written in the format comes back."""
    path = tmp_path / name
    match path.suffix:
        case ".csv":
            FRAME.to_csv(path, index=False)
        case ".tsv":
            FRAME.to_csv(path, sep="\t", index=False)
        case ".jsonl":
            FRAME.to_json(path, orient="records", lines=True)
        case _:
            FRAME.to_parquet(path)
    pd.testing.assert_frame_equal(output(path).dataframe(), FRAME)


def test_azures_text_has_no_header(tmp_path: Path) -> None:
    """Any other extension: blanks between values; names are the caller's."""
    (tmp_path / "rows.txt").write_text("a 1\nb 2\n")
    found = output(tmp_path / "rows.txt")
    assert found.rows() == ["a 1", "b 2"]
    pd.testing.assert_frame_equal(found.dataframe(names=["name", "score"]), FRAME)


def test_files_of_a_folder(tmp_path: Path) -> None:
    """All of them, by their path within it; a neighbour that begins alike is not one."""
    for name in ("out/b/c.bin", "out/a.txt", "outer/x.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    assert output(tmp_path / "out").files() == {"a.txt": b"out/a.txt", "b/c.bin": b"out/b/c.bin"}


def test_what_is_not_there(tmp_path: Path) -> None:
    """A missing file is said with its place; S3 has no path on this machine."""
    with pytest.raises(FileNotFoundError, match="there is no file at file:"):
        output(tmp_path / "none.csv").text()
    with pytest.raises(ValueError, match="not on this machine"):
        _ = Output("s3://b/k").path
