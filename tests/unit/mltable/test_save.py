"""Tables saved into folders: what is written, what may be in the way, and that nothing half-done stays."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from fanout import mltable
from fanout.errors import InputError


def listed(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_saved_table_names_its_files_from_where_it_is(folder: Path) -> None:
    """Local paths are relative to the new folder; the rows are the same."""
    table = mltable.load("d").take(12)
    assert table.save("out/deep") is table
    assert listed(folder / "out") == ["deep/MLTable"]
    saved = mltable.load("out/deep")
    assert saved.paths == [{"file": "../../d/a.csv"}, {"pattern": "../../d/sub/*.csv"}]
    pd.testing.assert_frame_equal(saved.to_pandas_dataframe(), table.to_pandas_dataframe())
    table.save()
    assert mltable.load(".").paths == [{"file": "./d/a.csv"}, {"pattern": "./d/sub/*.csv"}]


def test_remote_paths_stay_as_they_were_given(folder: Path) -> None:
    """Among them those in a datastore, which other settings may put elsewhere."""
    paths = [{"file": "s3://bucket/a.csv"}, {"pattern": "azureml://datastores/x/paths/in/*.csv"}]
    (folder / "fanout.toml").write_text('[datastores]\nx = "s3://other/blobs"\n')
    mltable.from_delimited_files(paths).save("out")
    assert yaml.safe_load((folder / "out/MLTable").read_text())["paths"] == paths


def test_a_table_with_its_files(folder: Path) -> None:
    """Files of the table's own folder keep their places in it; those from elsewhere get their names."""
    mltable.load("d").save("out", colocated=True)
    assert listed(folder / "out") == ["MLTable", "a.csv", "sub/b.csv"]
    assert mltable.load("out").paths == [{"file": "./a.csv"}, {"pattern": "./sub/*.csv"}]
    (folder / "work").mkdir()
    (folder / "work/MLTable").write_text("paths: [{file: ../d/a.csv}, {folder: ../d/sub}, {pattern: '../d/s*/b.*'}]\n")
    mltable.load("work").save("out2", colocated=True)
    assert listed(folder / "out2") == ["MLTable", "a.csv", "sub/b.csv"]
    names = mltable.load("out2").to_pandas_dataframe()["Path"].tolist()
    assert [name.removeprefix(f"{folder}/out2/") for name in names] == ["a.csv", "sub/b.csv", "sub/b.csv"]


def test_two_files_of_one_name_are_not_saved_over_each_other(folder: Path) -> None:
    """It is refused before anything is written."""
    (folder / "other").mkdir()
    (folder / "other/a.csv").write_text("a\n1\n")
    (folder / "work").mkdir()
    (folder / "work/MLTable").write_text("paths: [{file: ../d/a.csv}, {file: ../other/a.csv}]\n")
    with pytest.raises(InputError, match=r"would both be saved as a\.csv"):
        mltable.load("work").save("out", colocated=True)
    assert not (folder / "out").exists()


def test_a_folder_with_wildcards_in_its_name(folder: Path) -> None:
    """It is written so that it only means itself."""
    odd = folder / "x[1]*"
    (folder / "d").rename(odd)
    table = mltable.load(odd)
    table.save("out")
    pd.testing.assert_frame_equal(mltable.load("out").to_pandas_dataframe(), table.to_pandas_dataframe())


def test_what_is_there_already(folder: Path) -> None:
    """overwrite: replaced, refused before anything is written, or left alone."""
    table = mltable.load("d")
    table.save("out")
    before = (folder / "out/MLTable").read_bytes()
    for never in (False, "fail"):
        with pytest.raises(InputError, match="out/MLTable exists already"):
            table.take(1).save("out", overwrite=never, colocated=True)
    assert listed(folder / "out") == ["MLTable"]
    table.take(1).save("out", overwrite="skip")
    assert (folder / "out/MLTable").read_bytes() == before
    table.take(1).save("out", overwrite="overwrite")
    assert (folder / "out/MLTable").read_bytes() != before
    table.save("d", colocated=True)
    assert len(mltable.load("d").to_pandas_dataframe()) == 15


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("d/a.csv", "is a file, expected a folder"),
        ("d/a.csv/below", "Not a directory"),
        ("s3://bucket/x", "saved into a local folder"),
    ],
)
def test_where_no_table_can_be_saved(folder: Path, path: str, why: str) -> None:
    """The message says what is in the way."""
    with pytest.raises(InputError, match=why):
        mltable.load("d").save(path)
    with pytest.raises(InputError, match="overwrite: expected True, False, 'overwrite'"):
        mltable.load("d").save("out", overwrite="maybe")


def test_of_a_save_that_fails_nothing_stays(folder: Path) -> None:
    """Unless one wants what was written so far."""
    (folder / "d/z.csv").write_text("a\n1\n")
    table = mltable.from_delimited_files([{"pattern": "d/*.csv"}])
    (folder / "d/z.csv").unlink()
    (folder / "d/z.csv").symlink_to("/proc/self/mem")  # can be listed, cannot be read
    with pytest.raises(InputError, match="save: "):
        table.save("out", colocated=True)
    assert listed(folder / "out") == []
    with pytest.raises(InputError, match="save: "):
        table.save("out", colocated=True, if_err_remove_files=False)
    assert listed(folder / "out") == ["d/a.csv"]
