"""From an MLTable to a recipe, by the heads of the files."""

from collections.abc import Mapping

import pytest

from fanout.errors import InputError
from fanout.tables import resolution
from fanout.tables.formats.readers import CODECS, Delimited, HeaderMode, JsonLines, Parquet, Reader
from fanout.tables.mltable_file import MLTableFile
from fanout.tables.recipe import TableRecipe
from fanout.tables.resolution import resolve_recipe
from fanout.tables.transformations import Conversion, ConvertColumnTypes, Transformation
from fanout.tables.values.types import ColumnType, Kind


class Files:
    """Files in memory that remember who read them."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self.contents = contents
        self.read: list[tuple[str, int]] = []

    def head(self, uri: str, size: int) -> bytes:
        self.read.append((uri, size))
        return self.contents[uri][:size]


def recipe_of(reader: Reader, *contents: str | bytes, steps: tuple[Transformation, ...] = ()) -> TableRecipe:
    encoded = [c.encode() if isinstance(c, str) else c for c in contents]
    files = Files({f"f{i}": content for i, content in enumerate(encoded)})
    return resolve_recipe(MLTableFile("file:///t/MLTable", (), reader, steps), list(files.contents), files.head)


def types(recipe: TableRecipe) -> dict[str, str]:
    return {column.name: str(column.type.kind) for column in recipe.columns}


def test_names_from_the_header_and_types_from_the_rows() -> None:
    """The usual table."""
    recipe = recipe_of(Delimited(), "a,b,c\n1,x,\n2,y,2.5\n")
    assert types(recipe) == {"a": "int", "b": "string", "c": "float"}
    assert recipe.header_uri == "f0"


def test_a_table_goes_on_in_the_next_file() -> None:
    """Types are judged by the first rows of the table, not of a file; empty files count for nothing."""
    assert types(recipe_of(Delimited(), "", "a\n0\n", "\n\n", "a\n7\n")) == {"a": "int"}


def test_only_as_many_files_are_looked_at_as_it_takes() -> None:
    """A million files are not opened to plan."""
    files = Files({f"f{i}": b"a\n" + b"1\n2\n" * 60 for i in range(9)})
    resolve_recipe(MLTableFile("file:///t/MLTable", (), Delimited()), list(files.contents), files.head)
    assert [uri for uri, _ in files.read] == ["f0", "f1"]


def test_only_the_first_rows_decide() -> None:
    """The 201st row is a misfit later, nothing else (reference, section 12)."""
    assert types(recipe_of(Delimited(), "a\n" + "5\n" * 200 + "x\n")) == {"a": "int"}
    assert types(recipe_of(Delimited(), "a\n" + "5\n" * 199 + "x\n")) == {"a": "string"}
    assert types(recipe_of(Delimited(sample_rows=3), "a\n5\n5\n5\nx\n")) == {"a": "int"}


def test_longer_lines_make_more_columns() -> None:
    """Ragged heads (reference, section 12)."""
    assert types(recipe_of(Delimited(), "a\n1,2\n")) == {"a": "boolean", "Column2": "int"}
    assert types(recipe_of(Delimited(), "a,b\n7\n")) == {"a": "int", "b": "string"}


def test_without_a_header_columns_are_numbered() -> None:
    """no_header."""
    recipe = recipe_of(Delimited(header=HeaderMode.NO_HEADER), "5,x\n")
    assert types(recipe) == {"Column1": "int", "Column2": "string"}


def test_the_first_line_of_later_files_is_data_when_only_the_first_has_names() -> None:
    """from_first_file: here it turns the column into text, as in the original."""
    reader = Delimited(header=HeaderMode.FROM_FIRST_FILE)
    recipe = recipe_of(reader, "", "a\n5\n", "a\n6\n")
    assert types(recipe) == {"a": "string"}
    assert [recipe.has_header(uri) for uri in ("f1", "f2")] == [True, False]


def test_headers_of_their_own_are_united() -> None:
    """all_files_different_headers."""
    reader = Delimited(header=HeaderMode.ALL_FILES_DIFFERENT_HEADERS)
    assert types(recipe_of(reader, "a,b\n5,x\n", "c,b\n2.5,y\n")) == {"a": "int", "b": "string", "c": "float"}


def test_types_that_are_given_are_not_inferred() -> None:
    """Overrides of the reader, conversions of texts that come first, and inference switched off."""
    steps = (ConvertColumnTypes((Conversion(("id",), ColumnType(Kind.FLOAT)),)),)
    assert types(recipe_of(Delimited(), "id\n007\n", steps=steps)) == {"id": "int"}
    assert types(recipe_of(Delimited(), "id\nx\n", steps=steps)) == {"id": "float"}
    overridden = Delimited(overrides=(("id", ColumnType(Kind.FLOAT)),))
    assert types(recipe_of(overridden, "id\n007\n")) == {"id": "float"}
    assert types(recipe_of(Delimited(infer_column_types=False), "id\n007\n")) == {"id": "string"}


def test_empty_texts_are_values_when_asked_for() -> None:
    """empty_as_string keeps such a column text."""
    assert types(recipe_of(Delimited(empty_as_string=True), "a,b\n5,\n")) == {"a": "int", "b": "string"}


@pytest.mark.parametrize("encoding", ["utf16", "utf32", "latin1", "utf8bom", "windows1252"])
def test_encodings(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the head ends inside a character."""
    monkeypatch.setattr(resolution, "HEAD_SIZE", 11)
    mark = "\ufeff" if encoding == "utf8bom" else ""
    recipe = recipe_of(Delimited(encoding=encoding), (mark + "é,b\n" + "ü,1\n5,2\n" * 9).encode(CODECS[encoding]))
    assert types(recipe) == {"é": "string", "b": "int"}


def test_a_long_head_is_read_in_growing_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than it takes, however long the lines are."""
    monkeypatch.setattr(resolution, "HEAD_SIZE", 16)
    files = Files({"f": b"a,b\n" + (b"x" * 30 + b",5\n") * 300})
    recipe = resolve_recipe(MLTableFile("file:///t/MLTable", (), Delimited()), ["f"], files.head)
    assert types(recipe) == {"a": "string", "b": "int"}
    assert [size for _, size in files.read] == [16, 64, 256, 1024, 4096, 16384]


def test_a_quoted_record_that_the_head_cuts_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """With support_multi_line the end of a line may not be the end of a record."""
    monkeypatch.setattr(resolution, "HEAD_SIZE", 16)
    body = "a,b\n" + '"x\ny",5\n' * 20
    assert types(recipe_of(Delimited(support_multi_line=True), body)) == {"a": "string", "b": "int"}


def test_something_without_lines_is_not_taken_for_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A binary file by mistake: an error, and not a gigabyte in memory."""
    monkeypatch.setattr(resolution, "HEAD_LIMIT", 1 << 20)
    with pytest.raises(InputError, match="f0: no line ends in its first 1 MiB"):
        recipe_of(Delimited(), b"x" * (5 << 20))


def test_a_wrong_encoding_is_named() -> None:
    """With the byte, and the setting to change."""
    with pytest.raises(InputError, match="f0: byte 3 is not utf8; set the reader's encoding"):
        recipe_of(Delimited(), b"caf\xe9\n1\n")
    with pytest.raises(InputError, match=r"f0: byte 12 is not utf16; set the reader's encoding"):
        recipe_of(Delimited(encoding="utf16"), b"id,name\n1,x\n\n")


def test_json_lines_show_their_columns() -> None:
    """Names and kinds, by the first value of each, so that they are the same in every mini-batch."""
    recipe = recipe_of(JsonLines(), '{"a":1,"b":"x","n":{}}\n{"a":2.5,"c":true}\n', '{"d":7,"c":null}\n')
    assert types(recipe) == {"a": "int", "b": "string", "n": "string", "c": "boolean", "d": "int"}


def test_a_bad_json_line_in_the_head_names_its_file() -> None:
    """Found before anything starts."""
    with pytest.raises(InputError, match="f0: invalid JSON line 'x'"):
        recipe_of(JsonLines(), "x\n")


def test_a_long_json_head_is_read_in_growing_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that the head cuts in two is no invalid line."""
    monkeypatch.setattr(resolution, "HEAD_SIZE", 16)
    assert types(recipe_of(JsonLines(), '{"abcdef":1}\n' * 20)) == {"abcdef": "int"}


def test_parquet_says_it_all_itself() -> None:
    """Nothing is read."""
    files = Files({"f": b""})
    recipe = resolve_recipe(MLTableFile("file:///t/MLTable", (), Parquet()), ["f"], files.head)
    assert recipe.columns == ()
    assert recipe.keeps_types
    assert files.read == []
