"""Reduce: the rows of succeeded mini-batches as one output, in each format, and the same again and again."""

import io
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from obstore.store import ObjectStore

from fanout.errors import DamagedRecordError
from fanout.files import uris
from fanout.output import merge as reducing
from fanout.output import merge_local, row_windows
from fanout.output.merge import reduce
from fanout.output.row_windows import RowSource
from fanout.records.row_format import RowFormat
from fanout.results.codec import Entry
from fanout.results.ledger import Ledger
from fanout.results.reader import absorb_sealed
from fanout.slot.child.row_encoder import RowEncoder
from fanout.storage import keys
from fanout.storage.access import Access
from fanout.storage.keys import StepRound
from fanout.storage.objects import put, read

AT = StepRound("r", "s")

Written = Callable[..., Awaitable[bytes]]


@pytest.fixture(params=[0, 1 << 30], ids=["in the kernel", "through memory"], autouse=True)
def long(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows go both ways; where the store is no folder, through memory both times."""
    monkeypatch.setattr(merge_local, "LONG", request.param)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where the joined rows go."""
    return tmp_path / "out" / "joined"


@pytest.fixture
def written(
    store: ObjectStore, entry: Callable[..., Entry], commit: Callable[..., Any], output: Path, access: Access
) -> Written:
    """The output's bytes, of mini-batches that returned these, each through the slot's own encoder; reduced twice."""

    async def write(row_format: RowFormat, *returns: Any, to_csv: dict[str, Any] | None = None) -> bytes:
        encoder = RowEncoder(row_format, to_csv or {})
        encoded = [encoder.encode(result) for result in returns]
        entries = [entry(n, rows=e.count, header=e.header) for n, e in enumerate(encoded)]
        half = len(entries) // 2
        # The later half lies in the first object: the order of the output is not the order of the store.
        await commit(0, 0, entries[half:], [e.payload for e in encoded[half:]])
        await commit(0, 1, entries[:half], [e.payload for e in encoded[:half]])
        source = RowSource(store, AT, await absorb_sealed(store, AT, {0: 2}, Ledger()))
        bodies = []
        for _ in range(2):
            size = await reduce(source, row_format, uris.from_path(output), access)
            bodies.append(output.read_bytes())
            assert size == len(bodies[-1])
        assert bodies[0] == bodies[1], "reducing again gave other bytes"
        return bodies[0]

    return write


@pytest.fixture
def access() -> Access:
    """Local files need no credentials."""
    return Access.from_environ({})


async def test_text(written: Written) -> None:
    """str() of each element, a line each, in mini-batch order; mini-batches without rows add nothing."""
    assert await written(RowFormat.TEXT, ["a", 1], [], (2.5, None), [{"k": "v"}]) == b"a\n1\n2.5\nNone\n{'k': 'v'}\n"


async def test_text_of_frames(written: Written) -> None:
    """DataFrames are separated by blanks, without header and index, as Azure writes them (reference, section 7)."""
    import pandas as pd

    first, second = pd.DataFrame({"a": [1, 2], "b": ["x y", "z"]}), pd.DataFrame({"a": [3], "b": ["w"]})
    assert await written(RowFormat.TEXT, first, second) == b'1 "x y"\n2 z\n3 w\n'


async def test_nothing_at_all(written: Written) -> None:
    """An output without rows is an empty object, not a missing one."""
    assert await written(RowFormat.TEXT) == b""
    assert await written(RowFormat.CSV, [], []) == b""


async def test_csv_of_equal_columns(written: Written) -> None:
    """One header, then all rows; cells are quoted where they need it."""
    import pandas as pd

    first, second = pd.DataFrame({"a": [1], "b": ["x,y"]}), pd.DataFrame({"a": [2], "b": ['q"']})
    assert await written(RowFormat.CSV, first, second.iloc[:0], second) == b'a,b\n1,"x,y"\n2,"q"""\n'


async def test_csv_of_different_columns(written: Written) -> None:
    """The union of all columns in the order of first appearance; what a mini-batch lacks is empty."""
    import pandas as pd

    body = await written(
        RowFormat.CSV,
        pd.DataFrame({"a": [1], "b": ["two\nlines"]}),
        [{"b": "x", "c": 5}, {"c": 6}],
        pd.DataFrame({"c": [7], "a": [8]}),
    )
    assert body == b'a,b,c\n1,"two\nlines",\n,x,5\n,,6\n8,,7\n'


async def test_csv_with_large_cells_of_different_columns(written: Written) -> None:
    """A cell may be larger than the limit that Python's csv module starts with."""
    long = "x" * 200_000
    body = await written(RowFormat.CSV, [{"a": long}], [{"b": "y"}])
    assert body == f"a,b\n{long},\n,y\n".encode()


async def test_tsv(written: Written) -> None:
    """Tabs between the cells, aligned like csv."""
    assert await written(RowFormat.TSV, [{"a": 1, "b": "x"}], [{"b": "y\t", "a": 2}]) == b'a\tb\n1\tx\n2\t"y\t"\n'


async def test_csv_of_plain_elements(written: Written) -> None:
    """Tuples become cells, anything else a line as it is; there is no header to speak of."""
    assert await written(RowFormat.CSV, [(1, "a,b")], ["ready,made"]) == b'1,"a,b"\nready,made\n'


async def test_jsonl(written: Written) -> None:
    """One JSON value a line: objects, frames, numbers, text, and lines that are JSON already."""
    import numpy as np
    import pandas as pd

    body = await written(
        RowFormat.JSONL,
        [{"a": 1, "n": np.int64(5)}],
        pd.DataFrame({"a": [1.5, None], "t": ["é", "b"]}),
        np.array([1, 2]),
        ['{"ready":\n "made"}', "{plain text}", "plain"],
        pd.DataFrame(),
        [{"n": float("nan"), "i": [float("-inf"), np.float64("nan")], "t": "NaN"}],
    )
    assert body.decode().splitlines() == [
        '{"a": 1, "n": 5}',
        '{"a": 1.5, "t": "é"}',
        '{"a": null, "t": "b"}',
        "1",
        "2",
        '{"ready":  "made"}',
        '"{plain text}"',
        '"plain"',
        '{"n": null, "i": [null, null], "t": "NaN"}',
    ]


def _parquet(body: bytes) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(io.BytesIO(body))


async def test_parquet_of_equal_columns(written: Written) -> None:
    """Types stay as they are; text without values in one mini-batch is still text."""
    import pandas as pd

    first = pd.DataFrame({"a": [1, 2], "t": ["x", None]})
    table = _parquet(await written(RowFormat.PARQUET, first, pd.DataFrame({"a": [3], "t": [None]})))
    assert table.to_pydict() == {"a": [1, 2, 3], "t": ["x", None, None]}


async def test_parquet_types_are_promoted(written: Written) -> None:
    """Whole numbers and fractions become fractions, missing columns are null."""
    import pandas as pd

    table = _parquet(
        await written(RowFormat.PARQUET, pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2.5], "b": [True]}))
    )
    assert table.to_pydict() == {"a": [1.0, 2.5], "b": [None, True]}


@pytest.mark.parametrize("other", ["x", [1, 2], {"k": 1}, True])
async def test_parquet_types_in_conflict_become_text(written: Written, other: object) -> None:
    """A column that holds numbers here and something else there is written as text; other columns keep their type."""
    returns: Sequence[Any] = ([{"a": 1, "b": 1}], [{"a": other, "b": 2}])
    table = _parquet(await written(RowFormat.PARQUET, *returns))
    texts = {"x": "x", "True": "true"}
    assert table.to_pydict() == {"a": ["1", texts.get(str(other), str(other))], "b": [1, 2]}


async def test_parquet_of_large_numbers_and_gaps(written: Written) -> None:
    """A column without values in one mini-batch does not make an error of the numbers in another."""
    import numpy as np
    import pandas as pd

    large, none = pd.DataFrame({"u": np.array([2**63 + 5], np.uint64)}), pd.DataFrame({"u": [np.nan]})
    table = _parquet(await written(RowFormat.PARQUET, large, none))
    assert table.to_pydict() == {"u": [float(2**63), None]}


async def test_parquet_of_dicts_with_different_keys(written: Written) -> None:
    """Every key of every element is a column, not only those of the first."""
    table = _parquet(await written(RowFormat.PARQUET, [{"a": 1}, {"b": 2}, {"a": 3, "c": "x"}]))
    assert table.to_pydict() == {"a": [1, None, 3], "b": [None, 2, None], "c": [None, None, "x"]}


async def test_parquet_of_plain_elements(written: Written) -> None:
    """Numbers stay numbers, numpy's too, in a column named value."""
    import numpy as np

    assert _parquet(await written(RowFormat.PARQUET, [1, 2], np.array([3]))).to_pydict() == {"value": [1, 2, 3]}
    assert _parquet(await written(RowFormat.PARQUET, [("a", 1)])).to_pydict() == {"value": ["('a', 1)"]}


async def test_parquet_without_rows(written: Written) -> None:
    """Mini-batches that returned nothing make a readable file of no rows."""
    import pandas as pd

    assert _parquet(await written(RowFormat.PARQUET, [], pd.DataFrame())).num_rows == 0
    empty = pd.DataFrame({"a": pd.Series([], dtype="int64")})
    assert _parquet(await written(RowFormat.PARQUET, empty)).num_rows == 0


@pytest.mark.parametrize("row_format", [RowFormat.TEXT, RowFormat.CSV, RowFormat.PARQUET])
async def test_mini_batches_larger_than_the_window(
    written: Written, monkeypatch: pytest.MonkeyPatch, row_format: RowFormat
) -> None:
    """The output does not depend on how much is in memory at once."""
    returns = [[{"a": n, "b": "x" * n}] for n in range(12)] + [[{"c": "y" * 500}]]
    expected = await written(row_format, *returns)
    monkeypatch.setattr(row_windows, "WINDOW", 100)
    monkeypatch.setattr(merge_local, "WINDOW", 100)
    monkeypatch.setattr(reducing, "WRITE_SIZE", 64)
    assert await written(row_format, *returns) == expected


@pytest.mark.parametrize("window", [10, 1 << 24])
async def test_damaged_rows_leave_no_output(
    written: Written,
    store: ObjectStore,
    output: Path,
    access: Access,
    monkeypatch: pytest.MonkeyPatch,
    window: int,
) -> None:
    """When rows were altered the output keeps what it was: half of an output is not written."""
    before = await written(RowFormat.TEXT, ["a" * 50], ["b" * 50])
    key = keys.result(AT, 0, 0)
    body = bytearray(await read(store, key) or b"")
    body[-4] ^= 1
    await put(store, key, bytes(body))
    source = RowSource(store, AT, await absorb_sealed(store, AT, {0: 2}, Ledger()))
    monkeypatch.setattr(row_windows, "WINDOW", window)
    monkeypatch.setattr(reducing, "WRITE_SIZE", 8)
    with pytest.raises(DamagedRecordError, match=key):
        await reduce(source, RowFormat.TEXT, uris.from_path(output), access)
    assert output.read_bytes() == before
