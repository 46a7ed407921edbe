"""Patterns over relative paths."""

import pytest

from fanout.data.globs import compile_glob, split_pattern
from fanout.errors import InputError


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        ("*.csv", ["a.csv", ".h.csv", "a b.csv"], ["s/a.csv", "a.csv.gz"]),
        ("./m/*", ["m/0.csv", "m/.x"], ["m/s/2.csv", "0.csv"]),
        ("**/*.csv", ["a.csv", "s/a.csv", "s/t/a.csv"], ["a.txt"]),
        ("S/**/f?.csv", ["S/f1.csv", "S/1/x y/f2.csv"], ["T/f1.csv", "S/f12.csv", "S/f.csv"]),
        ("a/**", ["a/x", "a/b/c"], ["a", "b/x"]),
        ("f[0-3].csv", ["f0.csv", "f3.csv"], ["f4.csv", "f/.csv"]),
        ("f[!0-3].csv", ["f4.csv"], ["f0.csv", "f/.csv"]),
        ("x[[]1].csv", ["x[1].csv"], ["x1.csv"]),
        ("x[]1].csv", ["x].csv", "x1.csv"], ["x[.csv"]),
        ("a**b", ["ab", "axxb"], ["a/b"]),
        ("a+(b).csv", ["a+(b).csv"], ["aab.csv"]),
    ],
)
def test_matches(pattern: str, fitting: list[str], others: list[str]) -> None:
    """Wildcards stay within one part of the path, `**` spans parts, all else is literal."""
    glob = compile_glob(pattern)
    assert [p for p in fitting + others if glob.matches(p)] == fitting


@pytest.mark.parametrize(
    ("pattern", "descend", "skip"),
    [
        ("m/*.csv", ["m"], ["n", "m/s"]),
        ("a/**/x", ["a", "a/b", "a/b/c"], ["b"]),
        ("*", [], ["a"]),
        ("*/*", ["a"], ["a/b"]),
    ],
)
def test_folders_that_cannot_hold_a_match_are_not_entered(pattern: str, descend: list[str], skip: list[str]) -> None:
    """Only folders that a fitting path could be in are worth listing."""
    glob = compile_glob(pattern)
    assert [f for f in descend + skip if glob.may_hold(f)] == descend


@pytest.mark.parametrize("pattern", ["", "./", "a[b", "[z-a]"])
def test_bad_patterns(pattern: str) -> None:
    """An empty pattern, an open bracket and a range upside down are told, not guessed at."""
    with pytest.raises(InputError):
        compile_glob(pattern)


def test_split_pattern() -> None:
    """The folder in front of the first wildcard is known without listing anything."""
    assert split_pattern("data/2020/*/x.csv") == ("data/2020", "*/x.csv")
    assert split_pattern("s3://b/x/*.csv") == ("s3://b/x", "*.csv")
    assert split_pattern("*.csv") == ("", "*.csv")
    assert split_pattern("data/x.csv") == ("data", "x.csv")
