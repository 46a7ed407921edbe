"""Row groups from a footer."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fanout.errors import InputError
from fanout.files import uris
from fanout.storage.access import Access
from fanout.tables.formats.row_groups import row_groups


def counted(path: Path) -> tuple[int, ...]:
    return row_groups(uris.from_path(path), path.stat().st_size, Access())


def test_rows_of_each_group(tmp_path: Path) -> None:
    """Groups of 25 and one of 100, in order."""
    with pq.ParquetWriter(tmp_path / "x.parquet", pa.schema({"n": pa.int64()})) as writer:
        for rows in (25, 25, 25, 25, 100):
            writer.write_table(pa.table({"n": range(rows)}))
    assert counted(tmp_path / "x.parquet") == (25, 25, 25, 25, 100)


def test_footer_longer_than_what_is_read_first(tmp_path: Path) -> None:
    """Two thousand row groups need more than 64 KiB to describe."""
    pq.write_table(pa.table({f"column{n}": range(2000) for n in range(4)}), tmp_path / "x.parquet", row_group_size=1)
    assert counted(tmp_path / "x.parquet") == (1,) * 2000


@pytest.mark.parametrize(
    "body", [b"", b"PAR1", b"no parquet" * 10, b"x" * 20 + b"\xff\xff\xff\x7fPAR1", b"\x04\0\0\0PAR1"]
)
def test_what_is_no_parquet(tmp_path: Path, body: bytes) -> None:
    """Empty, cut short or something else: the file is named."""
    (tmp_path / "x.parquet").write_bytes(body)
    with pytest.raises(InputError, match=r"x\.parquet: not a parquet file"):
        counted(tmp_path / "x.parquet")
