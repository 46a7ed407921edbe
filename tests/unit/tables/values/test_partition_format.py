"""Columns from paths."""

import time
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.errors import InputError
from fanout.tables.values.partition_format import PartitionValue, compile_format


@pytest.mark.parametrize(
    ("text", "path", "values"),
    [
        ("S/{store}/{brand}/{fn}.csv", "/r/S/1/x y/f.csv", {"store": "1", "brand": "x y", "fn": "f"}),
        ("{user}/{genre}.wav", "/r/u1/a.wav", {"user": "u1", "genre": "a"}),
        ("{file_name}.{extension}", "/r/f.x.csv", {"file_name": "f.x", "extension": "csv"}),
        ("k={k}/{fn}.csv", "/r/k=1/f.csv", {"k": "1", "fn": "f"}),
        ("/k={k}/", "/r/k=1/k=2/f.csv", {"k": "1"}),
        ("k={k}", "/r/k=1/f.csv", {"k": "1"}),
        ("/{a}/{b}", "/r/x/y.csv", {"a": "r", "b": "x"}),
        ("{a}.csv", "x.csv", {"a": "x"}),
        ("S/{store}/{fn}.csv", "/r/T/1/f.csv", None),
        ("/S/{store}/{fn}.csv", "/r/XS/1/f.csv", None),
        ("S/{store}/{fn}.csv", "/r/XS/1/f.csv.gz", {"store": "1", "fn": "f"}),
        ("{a}.csv", "/r/.csv", None),
    ],
)
def test_values_of_a_path(text: str, path: str, values: dict[str, PartitionValue] | None) -> None:
    """The first place in the path that the format fits (measured with the original)."""
    assert compile_format(text).extract(path) == values


def test_a_time_is_put_together_from_its_parts_and_comes_last() -> None:
    """Text columns first, as in the original."""
    compiled = compile_format("{date:yyyy/MM/dd}/{fn}_{h:yyyyHH}.csv")
    assert compiled.names == ("fn", "date", "h")
    assert compiled.extract("/r/2020/03/04/f_202112.csv") == {
        "fn": "f",
        "date": datetime.fromisoformat("2020-03-04"),
        "h": datetime.fromisoformat("2021-01-01T12:00"),
    }


def test_a_time_that_does_not_exist_is_missing() -> None:
    """Month 13."""
    assert compile_format("/{k}/{date:yyyy-MM-dd}.csv").extract("/r/2020-13-01.csv") == {"k": "r", "date": None}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("S/x.csv", "names no column"),
        ("{a}/{a}", "'a' is named twice"),
        ("{a}{b}", "something between them"),
        ("{a", r"'\{' has no partner"),
        ("a}", r"'\}' has no partner"),
        ("{}", "is no column"),
        ("{a:}", "is no column"),
        ("{a:MM}", "yyyy always"),
        ("{a:yyyy/yyyy}", "at most once"),
        ("{a:yyyy/QQ}", "written with yyyy, MM, dd"),
    ],
)
def test_what_is_no_format_is_refused(text: str, why: str) -> None:
    """The message says what would be right."""
    with pytest.raises(InputError, match=f"partition_format .*{why}"):
        compile_format(text)


def test_a_hostile_path_takes_no_time() -> None:
    """Matching does not explode, however many slashes there are."""
    assert compile_format("/a={a}/b={b}/").extract("/a=1" * 2000) is None


@pytest.mark.parametrize("columns", [2, 4, 12, 60])
def test_a_path_of_separators_takes_no_time(columns: int) -> None:
    """However many ways there are to divide a path between the columns, none is tried twice."""
    text = "_".join(f"{{c{number}}}" for number in range(columns)) + "/x"
    began = time.process_time()
    assert compile_format(text).extract("/data/" + "_" * 2000) is None
    found = compile_format(text.removesuffix("/x")).extract("/data/" + "_" * 2000)
    assert time.process_time() - began < 2
    assert found is not None
    assert found["c0"] == "_" * (2000 - 2 * (columns - 1))


@settings(max_examples=300)
@given(
    columns=st.lists(st.sampled_from(["{%s}", "{%s:yyyy}"]), min_size=1, max_size=4),
    between=st.lists(st.sampled_from(["_", "/", "a", "__", "_a", "/a", "a/"]), min_size=4, max_size=4),
    ends=st.tuples(st.sampled_from(["", "/", "a", "_"]), st.sampled_from(["", "/", ".x", "_"])),
    path=st.text("/a_b12", max_size=14),
)
def test_both_ways_of_matching_agree(columns: list[str], between: list[str], ends: tuple[str, str], path: str) -> None:
    """The regular expression, and the way for paths that it could take long for."""
    pieces = [piece for number, column in enumerate(columns) for piece in (column % f"c{number}", between[number])]
    compiled = compile_format(ends[0] + "".join(pieces[:-1]) + ends[1])
    assert compiled._divided(path) == compiled._searched(path)


def test_formats_and_paths_have_bounds() -> None:
    """Longer than any name that a file can have."""
    with pytest.raises(InputError, match=r"partition_format .*longer than 2000 characters"):
        compile_format("{a}" + "x" * 2000)
    with pytest.raises(InputError, match="longer than 8192 characters"):
        compile_format("{a}").extract("x" * 8193)
