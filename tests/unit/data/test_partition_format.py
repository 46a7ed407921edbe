"""Columns from paths."""

from datetime import datetime

import pytest

from fanout.data.partition_format import PartitionValue, compile_format
from fanout.errors import InputError


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
