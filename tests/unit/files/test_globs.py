"""Patterns over relative paths."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.errors import InputError
from fanout.files.globs import compile_glob, split_pattern


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


def _fits(parts: list[str], names: list[str]) -> bool:
    """What a pattern of letters, `*` and `**` means, said slowly."""
    if not parts:
        return not names
    if parts[0] == "**":
        least = len(parts) == 1  # at the end it stands for one name at least
        return any(_fits(parts[1:], names[skipped:]) for skipped in range(least, len(names) + 1))
    return bool(names) and fnmatchcase(names[0], parts[0]) and _fits(parts[1:], names[1:])


@given(
    st.lists(st.sampled_from(["**", "a", "*", "a*", "*a*b", "*a*", "b?", "[ab]*a"]), min_size=1, max_size=5),
    st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=5),
)
def test_first_fits_are_enough(parts: list[str], names: list[str]) -> None:
    """A pattern fits what it says, although no wildcard is ever tried again."""
    assert compile_glob("/".join(parts)).matches("/".join(names)) == _fits(parts, names)


@pytest.mark.parametrize("pattern", ["*a" * 30 + "*b", "**/*a*/" * 15 + "b", "/".join(["**", "a"] * 30) + "/b"])
def test_no_pattern_takes_for_ever(pattern: str) -> None:
    """Many wildcards on a long path that almost fits: tried one after the other, not all with all."""
    assert not compile_glob(pattern).matches("/".join(["aaaaaaaaaaaaaaaa"] * 60))
    assert not compile_glob(pattern).matches("a" * 1000)


@pytest.mark.parametrize(
    ("members", "fitting"), [("+--", "-"), ("+--", ","), ("a&&b", "&"), ("[[x", "["), ("a^", "^"), ("||", "|")]
)
def test_members_of_a_class_mean_themselves(members: str, fitting: str) -> None:
    """No operator of sets hides in a class, nor a warning that one day it may."""
    assert compile_glob(f"x[{members}]").matches(f"x{fitting}")
