from pathlib import Path

from fanout.cli.render.output import Paint
from fanout.cli.render.problems import problem_lines
from fanout.errors import Place, Problem, SpecError


def told(*problems: Problem, with_source: bool = True) -> list[str]:
    return list(problem_lines(SpecError(problems), Paint(), with_source=with_source))


def test_the_line_and_a_caret_stand_below(tmp_path: Path) -> None:
    """The caret is under the column, tabs kept, so that it stands where the eye expects it."""
    file = tmp_path / "p.yml"
    file.write_text("jobs:\n\tscore: 1\n")
    place = Place(str(file), 2, 2)
    assert told(Problem(place, "jobs.score", "no")) == [
        f"{file}:2:2: jobs.score: no",
        "    \tscore: 1",
        "    \t^",
    ]


def test_options_are_their_own_source() -> None:
    """A problem of --set shows the option."""
    lines = told(Problem(Place("--set a.b=1", 1, 3), "a.b", "no"))
    assert lines[1:] == ["    a.b=1", "      ^"]


def test_files_that_cannot_be_read_have_no_source(tmp_path: Path) -> None:
    """Neither a missing file nor a line that is gone is an error of its own."""
    (tmp_path / "p.yml").write_text("one line\n")
    gone, short = Place(str(tmp_path / "gone"), 1, 1), Place(str(tmp_path / "p.yml"), 9, 1)
    assert len(told(Problem(gone, "", "cannot be read"), Problem(short, "", "no"))) == 3


def test_all_problems_at_once() -> None:
    """Every problem is a line of its own, and they are counted."""
    problems = [Problem(Place("p.yml", n, 1), "k", "no") for n in (2, 1)]
    assert told(*problems, with_source=False) == ["p.yml:1:1: k: no", "p.yml:2:1: k: no", "2 problems"]


def test_what_a_file_holds_reaches_no_terminal_as_it_is(tmp_path: Path) -> None:
    """Neither the credential that a problem is about, nor control characters of a file's name or text."""
    file = tmp_path / "p\x1b[2J.yml"
    file.write_text("url: postgres://me:geheim@host/db\nname: a\x1b[2Jb\n")
    problems = [Problem(Place(str(file), 1, 6), "url", "wrong"), Problem(Place(str(file), 2, 7), "name", "no \x1b[31m")]
    lines = list(problem_lines(SpecError(problems), Paint(False), with_source=True))
    assert len(lines) == 3
    assert not [line for line in lines if "geheim" in line or "\x1b" in line]
