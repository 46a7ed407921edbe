"""MLTable files: what is accepted, what is refused and how, and the files they name."""

from pathlib import Path

import pytest

from fanout.errors import InputError
from fanout.storage.access import Access
from fanout.storage.datastores import Datastores
from fanout.tables.formats.readers import Delimited, HeaderMode, JsonLines, Parquet
from fanout.tables.mltable_file import MLTableFile, PathEntry, list_files, load_mltable, parse_mltable
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
)
from fanout.tables.values.column_pattern import ColumnPattern
from fanout.tables.values.types import ColumnType, Kind

FOLDER = "file:///data/t"
PATHS = "paths: [{file: a.csv}]\n"


def parse(text: str, folder: str = FOLDER) -> MLTableFile:
    return parse_mltable(text.encode(), f"{folder}/MLTable")


def steps(text: str) -> MLTableFile:
    return parse(f"{PATHS}transformations:\n{text}")


def test_everything_a_file_may_say() -> None:
    """Every transformation and every option, in the order written."""
    table = steps("""
  - read_delimited:
      delimiter: "\\t"
      encoding: windows1252
      header: from_first_file
      empty_as_string: true
      include_path_column: yes
      support_multi_line: true
      infer_column_types: {sample_size: 10, column_type_overrides: {a: string}}
      partition_size: 20971520
  - keep_columns: [a, b]
  - drop_columns: {pattern: ^c, ignore_case: true}
  - filter: 'col("a") > 1'
  - convert_column_types:
      - columns: [a]
        column_type: float
      - columns: d
        column_type: {datetime: {formats: ["%d/%m/%Y"], date_constant: 31/01/2020}}
      - columns: {pattern: x, invert: true}
        column_type: string
      - columns: w
        column_type: {boolean: {true_values: ["yes"], false_values: ["no"], mismatch_as: error}}
  - extract_columns_from_partition_format: {partition_format: "{k}.csv"}
  - take: 10
  - skip: 2
  - take_random_sample: {probability: 0.5, seed: 7}
  - take_random_sample: {probability: 1}
""")
    assert table.reader == Delimited(
        delimiter="\t",
        encoding="windows1252",
        header=HeaderMode.FROM_FIRST_FILE,
        empty_as_string=True,
        include_path_column=True,
        support_multi_line=True,
        sample_rows=10,
        overrides=(("a", ColumnType(Kind.STRING)),),
    )
    assert table.transformations == (
        KeepColumns(("a", "b")),
        DropColumns((), ColumnPattern("^c", ignore_case=True)),
        Filter('col("a") > 1'),
        ConvertColumnTypes(
            (
                Conversion(("a",), ColumnType(Kind.FLOAT)),
                Conversion(("d",), ColumnType(Kind.DATETIME, formats=("%d/%m/%Y",), date_constant="31/01/2020")),
                Conversion((), ColumnType(Kind.STRING), ColumnPattern("x", invert=True)),
                Conversion(("w",), ColumnType(Kind.BOOLEAN, None, ("yes",), ("no",), "error")),
            )
        ),
        ExtractPartitions("{k}.csv"),
        Take(10),
        Skip(2),
        TakeSample(0.5, 7),
        TakeSample(1.0, 0),
    )


def test_a_reader_may_be_written_as_its_name() -> None:
    """All its options have defaults."""
    assert steps("  - read_parquet\n").reader == Parquet()
    assert steps("  - read_delimited:\n").reader == Delimited()
    assert steps("  - read_json_lines: {invalid_lines: drop}\n").reader == JsonLines(invalid_lines="drop")
    assert not parse(PATHS).is_tabular


def test_encodings_and_delimiters_have_several_spellings() -> None:
    """As in the original's schema; of two characters the first delimits."""
    for written, encoding in (("utf-8", "utf8"), ("iso-8859-1", "iso88591"), ("windows-1252", "windows1252")):
        assert steps(f"  - read_delimited: {{encoding: {written}}}\n").reader == Delimited(encoding=encoding)
    for written, delimiter in (("'||'", "|"), ('"\\x01"', "\x01"), ('"\\t"', "\t")):
        assert steps(f"  - read_delimited: {{delimiter: {written}}}\n").reader == Delimited(delimiter=delimiter)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  - read_delimted: {}\n", "3:5: transformations.0: unknown transformation 'read_delimted'; did you mean"),
        ("  - read_delimited: {delimeter: ';'}\n", "unknown key; did you mean 'delimiter'?"),
        ("  - read_delimited: {delimiter: '\\t'}\n", "expected one character"),
        ("  - keep_columns: {pattern: '['}\n", "no regular expression"),
        ("  - read_delimited: {encoding: utf9}\n", "expected 'utf8', .*found 'utf9'"),
        ("  - read_delimited: {empty_as_string: maybe}\n", "expected true or false, found 'maybe'"),
        ("  - read_json_lines: {invalid_lines: skip}\n", "expected 'error' or 'drop', found 'skip'"),
        ("  - take: -1\n", "expected a whole number of at least 0"),
        ("  - take\n", "take needs a value"),
        ("  - {take: 1, skip: 2}\n", "as its only key"),
        ("  - filter: a >\n", "filter 'a >': invalid syntax"),
        ("  - extract_columns_from_partition_format: '{a}.csv'\n", "expected a mapping"),
        ("  - extract_columns_from_partition_format: {partition_format: x.csv}\n", "names no column"),
        ("  - take_random_sample: {seed: 1}\n", "probability: missing"),
        ("  - take_random_sample: {probability: 1.5}\n", "expected a number from 0 to 1"),
        ("  - convert_column_types: {columns: a, column_type: int}\n", "expected a list"),
        ("  - convert_column_types: [{columns: a, column_type: integer}]\n", "expected 'int', .*found 'integer'"),
        ("  - convert_column_types: [{columns: a, column_type: {datetime: {formats: dd/MM}}}]\n", "no datetime format"),
        ("  - convert_column_types: [{columns: a, column_type: {datetime: {formats: '%Q'}}}]\n", "no datetime format"),
        ("  - take: 5\n  - read_parquet\n", "4:5: .*read_parquet must be the first transformation"),
        ("  - read_parquet\n  - read_delimited: {}\n", "4:5: .*a second read_delimited"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, message: str) -> None:
    """file:line:column, the key, and what would be right."""
    with pytest.raises(InputError, match=f"^/data/t/MLTable:.*{message}"):
        steps(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("- a\n", "expected a mapping"),
        ("transformations: []\n", "paths: missing; expected a list of paths"),
        ("paths: a.csv\n", "expected a list"),
        ("paths: [{flie: a.csv}]\n", "unknown key 'flie'; did you mean 'file'?"),
        ("paths: [{file: a.csv, folder: b}]\n", "exactly one of"),
        ("paths: [{pattern: 'a[.csv'}]\n", "not closed"),
        (PATHS + "type: table\n", "expected 'mltable', found 'table'"),
        (PATHS + "pathes: []\n", "unknown key; did you mean 'paths'?"),
        (PATHS + "paths: []\n", "written twice"),
        ("paths: [\n", "not YAML"),
        ("paths: !!python/object:os.system []\n", "not allowed"),
        ("#" * 1024 * 1024 + "\n", "larger than 1024 KiB"),
    ],
)
def test_what_is_no_mltable_file_is_refused(text: str, message: str) -> None:
    """Damaged, hostile or mistyped files."""
    with pytest.raises(InputError, match=message):
        parse(text)


def test_every_problem_is_told_at_once() -> None:
    """One run of the command is enough to mend the file."""
    with pytest.raises(InputError) as caught:
        parse("paths: [{fil: a}]\ntransformations: [{take: x}, {bogus: 1}]\n")
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("written", "entry"),
    [
        ("{file: ./a b.csv}", PathEntry("file", "file:///data/t/a%20b.csv")),
        ("{file: ../u/a.csv}", PathEntry("file", "file:///data/u/a.csv")),
        ("{file: /abs/a.csv}", PathEntry("file", "file:///abs/a.csv")),
        ("{file: 's3://b/a.csv'}", PathEntry("file", "s3://b/a.csv")),
        ("{folder: ./s/}", PathEntry("folder", "file:///data/t/s")),
        ("{folder: .}", PathEntry("folder", "file:///data/t")),
        ("{pattern: './S/**/*.csv'}", PathEntry("pattern", "file:///data/t/S", "**/*.csv")),
        ("{pattern: '*.csv'}", PathEntry("pattern", "file:///data/t", "*.csv")),
        ("{pattern: '/x/*.csv'}", PathEntry("pattern", "file:///x", "*.csv")),
        ("{pattern: 's3://b/x/*.csv'}", PathEntry("pattern", "s3://b/x", "*.csv")),
    ],
)
def test_paths_of_a_local_table(written: str, entry: PathEntry) -> None:
    """Relative to the folder of the MLTable file, or absolute in any form."""
    assert parse(f"paths: [{written}]\n").paths == (entry,)


def test_paths_of_a_remote_table_stay_in_its_folder_or_say_where_they_are() -> None:
    """What lies in a bucket cannot point into this machine by a relative path."""
    table = parse("paths: [{file: ./a%.csv}, {folder: .}, {pattern: '**/*.csv'}, {file: 's3://b/x'}]\n", "s3://b/t")
    assert [path.uri for path in table.paths] == ["s3://b/t/a%.csv", "s3://b/t", "s3://b/t", "s3://b/x"]
    for written in ("../a.csv", "/etc/passwd"):
        with pytest.raises(InputError, match="must stay inside its folder"):
            parse(f"paths: [{{file: {written}}}]\n", "s3://b/t")


def files_of(folder: Path, text: str) -> list[str]:
    (folder / "MLTable").write_text(text)
    entries = list_files(load_mltable(str(folder), Access()), Access())
    return [entry.uri.removeprefix(f"file://{folder}/") for entry in entries]


def test_files_in_the_order_of_the_paths(tmp_path: Path) -> None:
    """Files as listed; folders and patterns sorted, the MLTable file left out (reference, section 5.1)."""
    for name in ("s/b.csv", "s/a.csv", "s/.h.csv", "z.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert files_of(tmp_path, "paths: [{file: z.csv}, {folder: s}]") == ["z.csv", "s/.h.csv", "s/a.csv", "s/b.csv"]
    assert files_of(tmp_path, "paths: [{pattern: './*'}]") == ["z.csv"]


def test_a_directory_as_a_file(tmp_path: Path) -> None:
    """Without a reader it stands for itself; with one it is an error (reference, section 12)."""
    (tmp_path / "d").mkdir()
    assert files_of(tmp_path, "paths: [{file: d}]") == ["d"]
    with pytest.raises(InputError, match="d: is a directory"):
        files_of(tmp_path, "paths: [{file: d}]\ntransformations: [read_parquet]")


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing file, an empty pattern, a folder without an MLTable file."""
    with pytest.raises(InputError, match=r"x\.csv: cannot be read: No such file"):
        files_of(tmp_path, "paths: [{file: x.csv}]")
    with pytest.raises(InputError, match=r"no file there matches the pattern '\*\.csv'"):
        files_of(tmp_path, "paths: [{pattern: '*.csv'}]")
    with pytest.raises(InputError, match="MLTable: not found; an mltable input is a folder with a file named MLTable"):
        load_mltable(str(tmp_path / "elsewhere"), Access())


def test_paths_in_a_datastore_lead_where_the_settings_say(tmp_path: Path) -> None:
    """Files, folders and patterns may be in a datastore of fanout.toml; the table reads them from there."""
    blobs = tmp_path / "blobs"
    (blobs / "in" / "deep").mkdir(parents=True)
    for name in ("in/a.csv", "in/deep/b.csv", "in/deep/c.txt"):
        (blobs / name).write_text("x\n1\n")
    known = Datastores(named=(("ds", blobs.as_uri()),))
    long = "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/ds/paths/in/"
    text = (
        "paths: [{file: 'azureml://datastores/ds/paths/in/a.csv'}, "
        f"{{pattern: '{long}**/*.csv'}}, {{folder: 'azureml://datastores/ds/paths/in/deep'}}]"
    )
    table = parse_mltable(text.encode(), f"{tmp_path.as_uri()}/MLTable", known)
    found = [entry.uri.removeprefix(blobs.as_uri()) for entry in list_files(table, Access())]
    assert found == ["/in/a.csv", "/in/a.csv", "/in/deep/b.csv", "/in/deep/b.csv", "/in/deep/c.txt"]
    assert table.paths[1].written == f"{long}**/*.csv"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("azureml://datastores/other/paths/a.csv", "MLTable:1:.*no fanout.toml says where the datastore other is"),
        ("azureml://datastores/ds/paths/../a.csv", "MLTable:1:.*leaves its datastore"),
        ("azureml:asset:1", "MLTable:1:.*an asset of an Azure workspace"),
    ],
)
def test_a_datastore_path_that_leads_nowhere_is_refused_with_its_place(path: str, why: str) -> None:
    """An unknown datastore, one that is left by `..`, and an asset each say what would be right."""
    with pytest.raises(InputError, match=why):
        parse_mltable(f"paths: [{{file: '{path}'}}]".encode(), f"{FOLDER}/MLTable", Datastores((("ds", "s3://b"),)))


def test_what_the_original_saves_is_read() -> None:
    """Its own keys in transformations, types as a list, and the two halves of random_split."""
    table = steps("""
  - read_delimited:
      infer_column_types:
        sample_size: 3
        column_type_overrides: [{columns: a, column_type: string}, {columns: [b, c], column_type: int}]
      partition_size: 20971520
      path_column: Path
  - extract_columns_from_partition_format: {ignore_errors: false, partition_format: "/{d}.csv", path_column: Path}
  - sample:
      sampler: random_percent
      sampler_arguments: {probability: 1.0, probability_lower_bound: 0.3, seed: 7}
""")
    assert isinstance(table.reader, Delimited)
    assert table.reader.overrides == (
        ("a", ColumnType(Kind.STRING)),
        ("b", ColumnType(Kind.INT)),
        ("c", ColumnType(Kind.INT)),
    )
    assert table.transformations == (ExtractPartitions("/{d}.csv"), TakeSample(1.0, 7, 0.3))


PLACES = Datastores((("lake", "s3://lake/open"), ("share", "file:///mnt/share")), "s3://store/datastores")


@pytest.mark.parametrize(
    "path",
    [
        "{file: 'file:///etc/passwd'}",
        "{folder: 'file:///'}",
        "{pattern: 'file:///etc/*'}",
        "{file: 'file://localhost/etc/passwd'}",
        "{file: 'file:/etc/passwd'}",
        "{file: 'FILE:///etc/passwd'}",
        "{file: 'http://169.254.169.254/latest/meta-data'}",
        "{pattern: 'https://elsewhere/*.csv'}",
        "{file: 's3://another/a.csv'}",
        "{folder: 's3://lake/closed'}",
        "{folder: 's3://lake/open/../closed'}",
        "{file: 's3://lake/opened'}",
        "{file: 'file:///mnt/share/../../etc/passwd'}",
        "{file: 'file:///mnt/share/%2e%2e/%2e%2e/etc/passwd'}",
        "{file: 's3://store/runs/r/run.json'}",
    ],
)
@pytest.mark.parametrize("table", ["s3://b/t", "https://host/t", "abfss://c@account.dfs.core.windows.net/t"])
def test_a_remote_table_names_no_other_places(path: str, table: str) -> None:
    """Neither files of this machine nor other hosts: whoever writes it must not choose what is read."""
    with pytest.raises(InputError) as refused:
        parse_mltable(f"paths:\n- {path}\n".encode(), f"{table}/MLTable", PLACES)
    assert "/MLTable:2:" in str(refused.value), "the file and the line"
    assert "[datastores]" in str(refused.value) or "'..'" in str(refused.value)


@pytest.mark.parametrize(
    "path",
    [
        "{file: 's3://b/elsewhere/a.csv'}",
        "{folder: 's3://lake/open'}",
        "{pattern: 's3://lake/open/x/*.csv'}",
        "{file: 'azureml://datastores/lake/paths/a.csv'}",
        "{file: 'file:///mnt/share/a.csv'}",
        "{file: 'azureml://datastores/other/paths/a.csv'}",
    ],
)
def test_a_remote_table_names_its_own_bucket_and_datastores(path: str) -> None:
    """Those are places that whoever wrote fanout.toml has named."""
    [entry] = parse_mltable(f"paths: [{path}]".encode(), "s3://b/t/MLTable", PLACES).paths
    assert entry.uri


@pytest.mark.parametrize("table", ["s3://store/triggers/t/copies/r/folder", "s3://store/x", "s3://store/runs"])
def test_copies_of_what_others_uploaded_are_not_our_own(table: str) -> None:
    """A trigger copies objects into the store: an MLTable file among them is still its sender's."""
    with pytest.raises(InputError, match="datastores"):
        parse_mltable(b"paths: [{file: 'file:///etc/hostname'}]", f"{table}/MLTable", PLACES)


@pytest.mark.parametrize("table", ["s3://store/triggers/t/arrivals/x", "s3://store/runs/r/s/outputs/o", "file:///here"])
def test_tables_of_our_own_name_anything(table: str) -> None:
    """Lists of arrivals, outputs of steps, tables on this machine."""
    [entry] = parse_mltable(b"paths: [{file: 's3://watched/a.csv'}]", f"{table}/MLTable", PLACES).paths
    assert entry.uri == "s3://watched/a.csv"
