"""Where rows that planning regroups are put. Light: every plan has such a place, few put anything there."""

import asyncio
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fanout.files import uris
from fanout.storage.disk_space import room_in

if TYPE_CHECKING:
    import pyarrow as pa

    from fanout.storage.access import Access

GROUP_ROWS = 10_000  # rows of a parquet row group: what a mini-batch of a few rows reads at least


@dataclass(frozen=True, slots=True)
class ShuffleStore:
    """A folder in the store for the rows of one step, by its URI; without `access` nothing is written, only planned."""

    uri: str = "file:///spilled"
    access: "Access | None" = None

    def put(self, number: int, table: "pa.Table") -> str:
        """The URI of a file that holds `table`, written unless it is there."""
        from pyarrow import parquet as pq

        with tempfile.TemporaryDirectory(prefix="fanout-spill-") as folder:
            path = Path(folder, "rows.parquet")
            with room_in(path.parent):
                pq.write_table(table, path, row_group_size=GROUP_ROWS)
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            uri = uris.join(self.uri, f"{number:05d}-{digest[:16]}.parquet")
            if self.access is not None:
                _upload(path, uri, self.access)
        return uri


NOWHERE = ShuffleStore()


def _upload(path: Path, uri: str, access: "Access") -> None:
    from fanout.files.transfer import upload_file
    from fanout.storage.open import locate

    # Plans are made in threads of their own, which have no loop.
    asyncio.run(upload_file(path, *locate(uri, access)))
