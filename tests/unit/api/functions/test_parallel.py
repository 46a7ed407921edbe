"""Functions over items, files and tables, from this very module."""

import os
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import fanout


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def square(number: int) -> int:
    return number * number


def odd(number: int) -> int:
    if number % 2 == 0:
        raise ValueError(f"{number} is even")
    return number


def test_map_gives_rows_in_the_order_of_the_items() -> None:
    """Of a function of a module; the mini-batches have a size of their own."""
    assert fanout.map(square, range(1000)) == [n * n for n in range(1000)]
    [run] = fanout.runs()
    assert run.steps["square"].counts is not None
    assert run.steps["square"].counts.items == 1000


def test_map_takes_what_there_is() -> None:
    """Lambdas and closures, generators, values that are no JSON; nothing, which makes no run."""
    factor = 3
    assert fanout.map(lambda x: {"x": x * factor}, (n for n in range(3))) == [{"x": 0}, {"x": 3}, {"x": 6}]
    assert fanout.map(str, [Decimal("1.5"), (1, 2)], mini_batch_size=1) == ["1.5", "(1, 2)"]
    before = len(list(fanout.runs()))
    assert fanout.map(square, []) == []
    assert len(list(fanout.runs())) == before


def test_paths_stay_where_they_are(folder: Path) -> None:
    """Files by a pattern; texts that name files from the current folder."""
    for name in ("a", "b"):
        (folder / f"{name}.txt").write_text(name)
    assert fanout.map(lambda path: path.read_text(), "*.txt") == ["a", "b"]
    assert fanout.map(lambda name: Path(name).read_text(), ["b.txt", "a.txt"]) == ["b", "a"]


def test_a_failed_item_fails_the_map() -> None:
    """With its own traceback; with return_exceptions it is in its place."""
    with pytest.raises(fanout.RunFailed) as caught:
        fanout.map(odd, [1, 2, 3], max_retries=0)
    assert "ValueError: 2 is even" in str(caught.value.__cause__)
    assert str(caught.value.__cause__).count("  File ") == 1
    assert f'{__file__}", line' in str(caught.value.__cause__)
    rows: list[Any] = fanout.map(odd, [1, 2, 3], max_retries=0, return_exceptions=True)
    assert (rows[0], rows[2]) == (1, 3)
    assert isinstance(rows[1], fanout.ScriptError)
    assert str(rows[1]) == "ValueError: 2 is even"
    run = fanout.open_run(caught.value.run)
    [failed] = run.failures()
    assert (failed.message, failed.items) == ("ValueError: 2 is even", ("item 1",))


def test_imap_gives_pairs() -> None:
    """In order, or as they come; failures at the end, or in their place."""
    assert list(fanout.imap(square, range(20), mini_batch_size=3)) == [(n, n * n) for n in range(20)]
    found = dict(fanout.imap(square, iter(range(20)), ordered=False, mini_batch_size=3))
    assert found == {n: n * n for n in range(20)}
    pairs: list[Any] = []
    with pytest.raises(fanout.RunFailed):
        pairs.extend(fanout.imap(odd, [1, 2, 3], max_retries=0, mini_batch_size=1))
    kept = dict(fanout.imap(odd, [1, 2, 3], max_retries=0, ordered=False, return_exceptions=True))
    assert (kept[1], kept[3], str(kept[2])) == (1, 3, "ValueError: 2 is even")


def test_imap_comes_before_the_end(folder: Path) -> None:
    """A loop that is left ends its run, which goes on where it stood."""
    gate = folder / "gate"

    def wait(number: int) -> int:
        import time

        while number == 3 and not gate.exists():
            time.sleep(0.05)
        return number

    pairs = fanout.imap(wait, range(4), mini_batch_size=1)
    assert [next(pairs) for _ in range(3)] == [(0, 0), (1, 1), (2, 2)]
    pairs.close()  # type: ignore[attr-defined]
    gate.touch()
    [run] = fanout.runs()
    assert run.status == "Running"
    assert run.resume().output().rows() == [0, 1, 2, 3]


@fanout.parallel(mini_batch_size=2, max_retries=0, error_threshold=-1)
def lengths(mini_batch: list[Path]) -> list[dict[str, object]]:
    return [{"name": path.name, "length": len(path.read_text()), "of": len(mini_batch)} for path in mini_batch]


def test_a_function_of_mini_batches(folder: Path) -> None:
    """Called as it is it is the function; over files it gives rows, in the store or in a file."""
    for name in ("a", "bb", "ccc"):
        (folder / f"{name}.txt").write_text(name)
    assert lengths([folder / "a.txt"]) == [{"name": "a.txt", "length": 1, "of": 1}]
    rows = lengths.map(folder)
    assert [row["length"] for row in rows] == [1, 2, 3]
    assert [row["of"] for row in rows] == [2, 2, 1]
    run = lengths.run("*.txt", output="lengths.csv", name="mine")
    assert (folder / "lengths.csv").read_text().splitlines()[0] == "name,length,of"
    assert run.output().rows()[2] == {"name": "ccc.txt", "length": "3", "of": "1"}
    assert fanout.open_run("mine").status == "Completed"
    assert lengths.submit("*.txt", name="yours").wait(90).completed
    assert fanout.open_run("yours").output().rows() == rows


@fanout.parallel(mini_batch_rows=2)
def doubled(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(y=table.x * 2)


def test_tables(folder: Path) -> None:
    """A DataFrame, and a file by its extension; rows of a table for functions of one item."""
    frame = pd.DataFrame({"x": [1, 2, 3], "name": ["a", "b", "c"]})
    run = doubled.run(frame, output="out.parquet")
    assert run.output().to_pandas()["y"].tolist() == [2, 4, 6]
    frame.to_csv("in.csv", index=False)
    assert [row["y"] for row in doubled.map("in.csv")] == [2, 4, 6]  # type: ignore[index]
    rows = "zip,amount\n" + "00001,1\n" * 250 + "00002,253.5\n"
    (folder / "zips.csv").write_text(rows)
    found = fanout.map(lambda row: [row["zip"], row["amount"]], "zips.csv")
    assert (len(found), found[0], found[-1]) == (251, ["00001", 1.0], ["00002", 253.5])
    assert fanout.map(lambda row: row["name"] * row["x"], frame) == ["a", "bb", "ccc"]


@fanout.parallel(mini_batch_size=1)
class Counter:
    """Entered once in a slot, and left."""

    def __enter__(self) -> "Counter":
        self.pid = os.getpid()
        return self

    def __exit__(self, *_: object) -> None:
        Path(f"left-{self.pid}").touch()

    def __call__(self, mini_batch: list[int]) -> list[bool]:
        return [self.pid == os.getpid() for _ in mini_batch]


def test_a_class_is_entered_once_in_a_slot(folder: Path) -> None:
    """And left at the end."""
    assert Counter.map([1, 2, 3]) == [True, True, True]
    assert list(folder.glob("left-*"))


def test_options_are_checked() -> None:
    """Before anything starts, with what would be right."""
    with pytest.raises(TypeError, match="max_retrys: no such option; did you mean 'max_retries'"):
        fanout.map(square, [1], max_retrys=1)
    with pytest.raises(fanout.SpecError, match="max_retries"):
        fanout.map(square, [1], max_retries=-1, mini_batch_size=1)
    with pytest.raises(fanout.InputError, match="expected a number of items"):
        fanout.map(square, [1], mini_batch_size="1kb")
    lock = threading.Lock()
    with pytest.raises(fanout.InputError, match="cannot be sent to other processes"):
        fanout.map(lambda _: lock.locked(), [1])


def test_what_was_measured_is_not_called_again(folder: Path) -> None:
    """Each item once, also those that said how large mini-batches are; one that failed then is tried by the run."""

    def mark(number: int) -> int:
        with Path(f"calls-{number}").open("a") as file:
            file.write("x")
        if number == 30 and Path("calls-30").read_text() == "x":
            raise ValueError("the first time")
        return number

    assert fanout.map(mark, range(40)) == list(range(40))
    calls = {number: Path(f"calls-{number}").read_text() for number in range(40)}
    assert {number for number, text in calls.items() if text != "x"} <= {30}
    assert calls[30] == "xx"


def test_new_code_of_a_function_is_a_new_run() -> None:
    """A redrive runs the function as it was, without a word about a folder; with new code it says what to do."""
    run = fanout.parallel(mini_batch_size=1, max_retries=0)(odd).run([1, 2, 3])
    assert run.status == "Failed"
    with pytest.raises(
        fanout.InputError, match="begun with a function, and only the run has its code: begin a new run"
    ):
        run.redrive(new_code=True)
    assert run.redrive().status == "Failed"
    with pytest.raises(fanout.RunFailed, match=r"all failures: Run.failures\(\), or fanout failures"):
        run.raise_for_status()
