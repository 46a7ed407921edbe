"""A folder with two files of rows, an MLTable for them, and no settings from outside."""

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: rows 0 to 9 in d/a.csv, 100 to 104 in d/sub/b.csv, and d/MLTable for both."""
    for name, rows in (("d/a.csv", range(10)), ("d/sub/b.csv", range(100, 105))):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a,b\n" + "".join(f"{i},x{i}\n" for i in rows))
    (tmp_path / "d" / "MLTable").write_text(
        "paths:\n- file: ./a.csv\n- pattern: sub/*.csv\n"
        "transformations:\n- read_delimited:\n    include_path_column: true\n"
        '- extract_columns_from_partition_format:\n    partition_format: "/{d}/{f}.csv"\n'
    )
    monkeypatch.chdir(tmp_path)
    for variable in ("FANOUT_DATASTORES", "FANOUT_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path
