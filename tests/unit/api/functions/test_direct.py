"""A script or a function and its data become a pipeline of one step, without a file."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fanout.api.functions.direct import Direct, data_of, direct_pipeline, load_function
from fanout.api.where import Where
from fanout.errors import InputError, SpecError
from fanout.slot.child.entry_script import FUNCTION_SCRIPT

SCRIPT = """\
import fanout

def run(mini_batch):
    return mini_batch

def clean(rows):
    return rows

@fanout.parallel(mini_batch_size=7, max_retries=1)
def tuned(mini_batch):
    return mini_batch

number = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder with a script, files and a table; modules imported from it are forgotten."""
    (tmp_path / "my_score.py").write_text(SCRIPT)
    (tmp_path / "files").mkdir()
    for number in range(3):
        (tmp_path / "files" / f"{number}.txt").write_text("x")
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n3,4\n")
    monkeypatch.chdir(tmp_path)
    known, path = set(sys.modules), list(sys.path)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def _step(direct: Direct, *sets: str) -> Any:
    with direct_pipeline(direct, sets, Where()) as pipeline:
        assert pipeline.file == ""  # no message recommends a command with it
        [step] = pipeline.steps
        return step


def test_a_script_over_files(folder: Path) -> None:
    """Its own folder is the code; the step has its name, and files as many a mini-batch as asked for."""
    step = _step(Direct("my_score.py", "files", size="2", output="out.csv"))
    assert (step.name, step.task.code, step.task.entry_script) == ("my_score", str(folder), "my_score.py")
    assert step.mini_batch_size.number == 2
    assert step.outputs["rows"].uri == f"file://{folder}/out.csv"
    assert step.thresholds.error_threshold == 0


def test_a_function_travels_in_code_of_its_own(folder: Path) -> None:
    """Named by its file or its module; the step is called as the function."""
    for target in ("my_score.py:clean", "my_score:clean"):
        step = _step(Direct(target, "rows.csv", rows=5))
        assert (step.name, step.task.entry_script, step.mini_batch_rows) == ("clean", FUNCTION_SCRIPT, 5)


def test_options_of_the_function_count_unless_others_are_asked_for(folder: Path) -> None:
    """Those that `fanout.parallel` was given."""
    own = _step(Direct("my_score.py:tuned", "rows.csv", rows=4))
    assert (own.mini_batch_rows, own.mini_batch_size, own.retry_settings.max_retries) == (4, None, 1)
    assert _step(Direct("my_score.py:tuned", "files", size="2")).mini_batch_size.number == 2


def test_keys_are_set_as_in_a_file(folder: Path) -> None:
    """A wrong one is refused with its place."""
    step = _step(Direct("my_score.py", "files"), "jobs.my_score.error_threshold=5")
    assert step.thresholds.error_threshold == 5
    with pytest.raises(SpecError, match=r"jobs\.my_score\.bogus: unknown key"):
        _step(Direct("my_score.py", "files"), "jobs.my_score.bogus=1")


@pytest.mark.parametrize(
    ("over", "asked", "kind", "type_"),
    [
        ("rows.csv", {}, "table", "uri_file"),
        ("rows.csv", {"rows": 3}, "table", "uri_file"),
        ("rows.csv", {"size": "10mb"}, "table", "uri_file"),
        ("files", {}, "files", "uri_folder"),
        ("files", {"size": "2"}, "files", "uri_folder"),
        ("files", {"rows": 10}, "table", "uri_folder"),
        ("files/0.txt", {}, "files", "uri_folder"),
        ("files/0.txt", {"rows": 1}, "table", "uri_file"),
        ("files/*.txt", {}, "files", "uri_folder"),
        ("*.csv", {}, "table", "uri_file"),
        ("s3://bucket/rows.parquet", {}, "table", "uri_file"),
        ("s3://bucket/photos/", {"size": "9"}, "files", "uri_folder"),
    ],
)
def test_what_the_data_is(over: str, asked: dict[str, Any], kind: str, type_: str, folder: Path) -> None:
    """Tables are read as rows, other files are a list, and `rows` makes rows of both."""
    source, _, _ = data_of(Direct("my_score.py", over, **asked))
    assert (source.kind, source.type) == (kind, type_)


@pytest.mark.parametrize("over", ["files/0.txt", "s3://bucket/photos/0.jpg"])
def test_a_single_file_is_a_list_of_one(over: str, folder: Path) -> None:
    """Here and in a store: a folder of that name is not looked for."""
    _, paths, _ = data_of(Direct("my_score.py", over))
    assert paths == [over if "://" in over else str(folder / over)]


@pytest.mark.parametrize(
    ("direct", "sentence"),
    [
        (Direct("my_score.py", "fils"), "--over fils: there is no such file or folder; did you mean 'files'"),
        (Direct("my_score.py", "rows.csv", size="2"), "write --rows 2, or --size 10mb"),
        (Direct("my_score.py", "files", rows=1, size="2"), "--rows and --size exclude each other"),
        (Direct("my_scor.py", "files"), "my_scor.py: there is no such script; did you mean 'my_score.py'"),
        (Direct("my_scor.py:run", "files"), "there is no such script; did you mean 'my_score.py'"),
        (Direct("my_score.py:claen", "files"), "my_score.py has no function 'claen'; did you mean 'clean'"),
        (Direct("my_score:number", "files"), "number is no function, it is of type int"),
        (Direct("no_such_module:f", "files"), "there is no module 'no_such_module' in "),
    ],
)
def test_what_cannot_be(direct: Direct, sentence: str, folder: Path) -> None:
    """Each says what is wrong, and what would be right."""
    with pytest.raises(InputError) as raised:
        _step(direct)
    assert sentence in str(raised.value)


def test_a_module_that_fails_says_where(folder: Path) -> None:
    """With the user's own line, not one of the import system."""
    (folder / "my_broken.py").write_text("import sys\nimport no_such_module_here\n")
    (folder / "my_syntax.py").write_text("def f(:\n")
    with pytest.raises(InputError, match=r"No module named 'no_such_module_here' \(.*my_broken.py:2\)$"):
        load_function("my_broken.py:f", "my_broken.py", "f")
    with pytest.raises(InputError, match=r"SyntaxError: invalid syntax \(.*my_syntax.py:1\)$"):
        load_function("my_syntax.py:f", "my_syntax.py", "f")


def test_a_file_with_the_name_of_another_module(folder: Path) -> None:
    """The function is not taken from the module of that name."""
    (folder / "json.py").write_text("def f(x):\n    return x\n")
    with pytest.raises(InputError, match=r"rename json\.py"):
        load_function("json.py:f", "json.py", "f")


def test_a_script_without_run_is_refused(folder: Path) -> None:
    """With the place in the script, as `fanout validate` has it."""
    (folder / "empty.py").write_text("x = 1\n")
    with pytest.raises(SpecError, match=r"empty\.py:.*run"):
        _step(Direct("empty.py", "files"))
