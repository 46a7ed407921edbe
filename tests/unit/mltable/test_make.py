"""Tables from MLTable files and from paths: where paths start from, what is missing, where datastores lead."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyarrow import parquet as pq

from fanout import mltable
from fanout.errors import InputError, SettingsError
from fanout.mltable import MLTableFileEncoding, MLTableHeaders
from fanout.storage.access import Access
from fanout.storage.datastores import Datastores

A, B = {"file": "d/a.csv"}, {"file": "d/sub/b.csv"}


def test_a_table_from_its_folder(folder: Path) -> None:
    """By relative and absolute path, Path, and URI."""
    for given in ("d", "./d/", str(folder / "d"), folder / "d", (folder / "d").as_uri()):
        table = mltable.load(given)
        assert table.paths == [{"file": "./a.csv"}, {"pattern": "sub/*.csv"}]
        assert table.to_pandas_dataframe()["a"].tolist() == [*range(10), *range(100, 105)]
    assert mltable.load("d", storage_options={"workspace": "w"}, ml_client=object()) == mltable.load("d")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("nowhere", "nowhere/MLTable: not found; .*a folder with a file named MLTable"),
        ("d/sub", "d/sub/MLTable: not found"),
        ("d/MLTable", "d/MLTable/MLTable: "),
        ("azureml:name:1", "an asset of an Azure workspace, which cannot be looked up here"),
        (3, "expected the path or URI of a folder, got 3"),
    ],
)
def test_where_no_table_is(folder: Path, given: str, why: str) -> None:
    """The message says what was looked for."""
    with pytest.raises(InputError, match=why):
        mltable.load(given)


def test_files_folders_and_patterns_in_one_table(folder: Path) -> None:
    """In the order of the paths, a folder and a pattern sorted; the same file twice is there twice."""
    paths = [B, {"folder": "d"}, {"pattern": "./d/**/*.csv"}, {"pattern": "*/*.csv"}]
    found = mltable.from_paths(paths).to_pandas_dataframe()["Path"].tolist()
    below = ["d/MLTable", "d/a.csv", "d/sub/b.csv"]
    names = ["d/sub/b.csv", *below, "d/a.csv", "d/sub/b.csv", "d/a.csv"]
    assert found == [str(folder / name) for name in names]


@pytest.mark.parametrize(
    ("paths", "why"),
    [
        ([A, {"file": "d/missing.csv"}], "d/missing.csv.*"),
        ([A, {"file": "d"}], "d: is a directory, expected a file"),
        ([A, {"pattern": "d/*.zz"}], "no file there matches the pattern"),
        ([{"folder": "d/none"}], "d/none"),
    ],
)
def test_a_path_to_nothing_is_an_error_when_rows_are_asked_for(
    folder: Path, paths: list[dict[str, str]], why: str
) -> None:
    """Not before: the table itself is only a description. Files that are there do not hide those that are not."""
    table = mltable.from_delimited_files(paths)
    for read in (table.to_pandas_dataframe, table.skip(1).to_pandas_dataframe):
        with pytest.raises(InputError, match=why):
            read()


@pytest.mark.parametrize(
    "paths", [[], None, "d/a.csv", A, [3], [{}], [{"file": 3}], [{"file": ""}], [{"file": "a", "folder": "b"}]]
)
def test_what_is_no_list_of_paths(folder: Path, paths: list[dict[str, str]]) -> None:
    """Each is refused with an example or a list of what a path may be."""
    with pytest.raises(InputError, match="paths: expected"):
        mltable.from_paths(paths)
    with pytest.raises(InputError, match="unknown key 'flie'; did you mean 'file'"):
        mltable.from_paths([{"flie": "a.csv"}])


def test_delimited_files_with_all_their_options(folder: Path) -> None:
    """The options reach the reader, as names and as members."""
    (folder / "t.txt").write_bytes("1;é\n2;\n".encode("cp1252"))
    frame = mltable.from_delimited_files(
        [{"file": "t.txt"}],
        header=MLTableHeaders.no_header,
        delimiter=";",
        encoding=MLTableFileEncoding.windows1252,
        empty_as_string=True,
        include_path_column=True,
        infer_column_types={"column_type_overrides": {"Column1": "string"}},
    ).to_pandas_dataframe()
    assert frame.to_dict("list") == {"Path": [f"{folder}/t.txt"] * 2, "Column1": ["1", "2"], "Column2": ["é", ""]}
    quoted = folder / "q.csv"
    quoted.write_text('a,b\n1,"x\ny"\n')
    table = mltable.from_delimited_files([{"file": "q.csv"}], support_multi_line=True, infer_column_types=False)
    assert table.to_pandas_dataframe().to_dict("list") == {"a": ["1"], "b": ["x\ny"]}


def test_parquet_and_json_lines(folder: Path) -> None:
    """Both read as an MLTable file with these options would."""
    pq.write_table(pa.table({"x": [1, 2]}), folder / "t.parquet")
    frame = mltable.from_parquet_files([{"pattern": "*.parquet"}], include_path_column=True).to_pandas_dataframe()
    assert frame.to_dict("list") == {"Path": [f"{folder}/t.parquet"] * 2, "x": [1, 2]}
    (folder / "t.jsonl").write_text('{"a":1}\nbad\n{"a":2,"b":"x"}\n')
    lines = [{"file": "t.jsonl"}]
    frame = mltable.from_json_lines_files(lines, invalid_lines="drop").to_pandas_dataframe()
    assert frame.to_dict("list") == {"a": [1, 2], "b": [None, "x"]}
    with pytest.raises(InputError, match="invalid JSON line 'bad'"):
        mltable.from_json_lines_files(lines).to_pandas_dataframe()
    with pytest.raises(InputError, match="invalid_lines: expected 'error' or 'drop'"):
        mltable.from_json_lines_files(lines, invalid_lines="skip")


DATASTORE = "azureml://datastores/blobs/paths/"


def test_outside_a_run_datastores_are_those_of_the_settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fanout.toml is searched upward from the current folder; a table and its paths may be in a datastore."""
    (folder / "fanout.toml").write_text('[datastores]\nblobs = "d"\n[profiles.other.datastores]\nblobs = "d/sub"\n')
    monkeypatch.chdir(folder / "d" / "sub")
    assert mltable.load(DATASTORE).to_pandas_dataframe().shape == (15, 5)
    paths = [{"file": f"{DATASTORE}a.csv"}, {"pattern": f"{DATASTORE}**/b.csv"}]
    table = mltable.from_delimited_files(paths)
    assert len(table.to_pandas_dataframe()) == 15
    assert table.paths == paths
    monkeypatch.setenv("FANOUT_PROFILE", "other")
    assert len(mltable.from_delimited_files([{"file": f"{DATASTORE}b.csv"}]).to_pandas_dataframe()) == 5
    monkeypatch.setenv("FANOUT_PROFILE", "none")
    with pytest.raises(SettingsError, match="profile 'none'"):
        mltable.load(DATASTORE)


def test_in_a_process_of_fanout_datastores_are_those_of_the_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the run told its processes wins over a fanout.toml that lies about."""
    (folder / "fanout.toml").write_text('[datastores]\nblobs = "nowhere"\n')
    known = Access(datastores=Datastores((("blobs", (folder / "d").as_uri()),)))
    for name, value in known.child_environ().items():
        monkeypatch.setenv(name, value)
    assert len(mltable.load(DATASTORE).to_pandas_dataframe()) == 15
    with pytest.raises(InputError, match=r"no fanout\.toml says where the datastore other is"):
        mltable.load("azureml://datastores/other/paths/x")


def test_a_table_does_not_follow_the_current_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths mean the folder that was current when the table was made."""
    tables = [mltable.from_delimited_files([A, B]), mltable.load("d").drop_columns(["Path", "d", "f"])]
    monkeypatch.chdir("/")
    first, second = (table.to_pandas_dataframe() for table in tables)
    pd.testing.assert_frame_equal(first, second)


def test_delta_lake(folder: Path) -> None:
    """By version or time; saved and loaded it is the same table."""
    write_deltalake("lake", pa.table({"a": [1, 2], "k": ["x", "y"]}), partition_by=["k"])
    write_deltalake("lake", pa.table({"a": [3], "k": ["x"]}), mode="append")
    table = mltable.from_delta_lake("lake", version_as_of=0)
    assert table.partition_keys == ["k"]
    assert table.to_pandas_dataframe().to_dict("list") == {"a": [1, 2], "k": ["x", "y"]}
    assert len(mltable.from_delta_lake("lake", timestamp_as_of="2999-01-01T00:00:00+02:00").show()) == 3
    newest = mltable.from_delta_lake("lake").filter("k == 'x'").to_pandas_dataframe()
    assert sorted(newest["a"]) == [1, 3]
    table.save("out")
    assert mltable.load("out").to_pandas_dataframe().equals(table.to_pandas_dataframe())
    table.save("copied", colocated=True)
    (folder / "lake").rename(folder / "gone")
    assert mltable.load("copied").to_pandas_dataframe().to_dict("list") == {"a": [1, 2], "k": ["x", "y"]}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"version_as_of": 1, "timestamp_as_of": "2020-01-01T00:00:00Z"}, "expected timestamp_as_of or version_as_of"),
        ({"version_as_of": -1}, "version_as_of: expected a whole number of at least 0"),
        ({"timestamp_as_of": "yesterday"}, "timestamp_as_of: expected a time with its offset"),
    ],
)
def test_versions_that_cannot_be(folder: Path, arguments: dict[str, Any], why: str) -> None:
    """Refused at once."""
    with pytest.raises(InputError, match=why):
        mltable.from_delta_lake("lake", **arguments)
