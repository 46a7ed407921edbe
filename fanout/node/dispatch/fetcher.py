"""Remote files come to the node while its slots still compute; local files are read in place, never copied."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fanout.errors import DamagedRecordError
from fanout.files import uris
from fanout.files.transfer import download_file, some_at_once
from fanout.pipeline.model import DataType
from fanout.records import mini_batch
from fanout.records.parts import ItemRange
from fanout.records.step import StepRecord
from fanout.storage.access import Access
from fanout.tables.allowed_places import may_be_read


class Fetcher:
    """Local copies of remote files, each made once and kept as long as a mini-batch of this node needs it."""

    def __init__(self, base: str, folder: Path, access: Access, *, table: bool = True) -> None:
        self._base, self._folder, self._access, self._is_table = base, folder, access, table
        self._users: Counter[str] = Counter()

    def needs_no_fetch(self, line: bytes) -> bool:
        """Whether all files of a mini-batch's line are on this machine, and may be read there."""
        batch = mini_batch.decode(line, "message")
        self._check(batch.files)
        return all(map(uris.is_local, batch.files))

    def _check(self, files: Sequence[str]) -> None:
        """DamagedRecordError for a file outside of the input: the plan says nothing of the kind."""
        for uri in files:
            if not may_be_read(uri, self._base, self._access.datastores, table=self._is_table):
                raise DamagedRecordError(
                    f"{uris.display(uri)}: is not in the input {uris.display(self._base)}, and is not read"
                )

    async def fetch(self, line: bytes, part: ItemRange | None = None) -> tuple[bytes, tuple[str, ...]]:
        """The mini-batch's line with local names for remote files, and the copies that `release` takes back.

        With `part`, only the files of that part are brought.
        """
        batch = mini_batch.decode(line, "message")
        self._check(batch.files)
        wanted = batch.files if part is None else batch.files[part.start : part.stop]
        remote = [uri for uri in wanted if not uris.is_local(uri)]
        if not remote:
            return line, ()
        copies = {uri: self._folder / self._name(uri) for uri in remote}
        names = tuple(str(path) for path in copies.values())
        self._users.update(names)
        try:
            await some_at_once(
                download_file(uri, path, self._access) for uri, path in copies.items() if not path.exists()
            )
        except BaseException:
            self.release(names)
            raise
        files = tuple(uris.from_path(copies[uri]) if uri in copies else uri for uri in batch.files)
        return mini_batch.encode(replace(batch, files=files)).encode(), names

    def release(self, names: Sequence[str]) -> None:
        """These copies are no longer needed by one of their users; the last one removes them."""
        self._users.subtract(names)
        for name in names:
            if self._users[name] <= 0:
                del self._users[name]
                Path(name).unlink(missing_ok=True)

    def _name(self, uri: str) -> str:
        """The path below the input's own folder, so that scripts find the names they know; files that a table names
        elsewhere are in a folder for each bucket, as keys in two buckets may be the same."""
        if below := uris.relative_to(uri, self._base):
            return uris.confined(below)
        bucket = hashlib.sha256(uris.authority(uri).encode()).hexdigest()[:8]
        return uris.confined(f".elsewhere/{bucket}/{uris.path_of(uri).lstrip('/')}")


def needs_fetching(record: StepRecord) -> bool:
    """Whether mini-batches may name files that are not on this machine; an MLTable that is may list others."""
    major = record.major
    if record.recipe is not None or major is None or major.uri is None:
        return False
    return not uris.is_local(major.uri) or major.type is DataType.MLTABLE
