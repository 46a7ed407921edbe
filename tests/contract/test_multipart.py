"""Outputs that are written in parts, one invocation after the other: the bytes of one that is written at once."""

from collections.abc import Callable

import pytest
from obstore.store import MemoryStore

from fanout.errors import StoreError
from fanout.output import merge_multipart as in_parts
from fanout.output.merge import reduce
from fanout.output.merge_multipart import reduce_in_parts
from fanout.output.row_windows import RowSource
from fanout.records.row_format import RowFormat
from fanout.results import codec
from fanout.results.codec import Entry, Status
from fanout.results.ledger import Ledger
from fanout.results.reader import absorb_sealed
from fanout.storage import keys
from fanout.storage.access import Access
from fanout.storage.keys import StepRound
from fanout.storage.multipart import PartedObject
from fanout.storage.objects import put, read
from fanout.storage.open import ensure_bucket, locate
from tests.contract.conftest import S3

AT = StepRound("r", "s")
MEBIBYTE = 1024 * 1024
SIZES = (2, 3, 0, 4, 1, 6)  # of mini-batches, in MiB: three parts of at least five


@pytest.fixture(params=S3)
def access(request: pytest.FixtureRequest, aws_environ: Callable[..., dict[str, str]]) -> Access:
    """A server that speaks S3."""
    return Access.from_environ(aws_environ(request.getfixturevalue(f"{request.param}_endpoint")))


@pytest.fixture
async def source() -> RowSource:
    """A sealed step with large rows, out of order in its result object."""
    store = MemoryStore()
    order = (5, 1, 0, 3, 2, 4)
    entries = [
        Entry(n, 0, Status.SUCCEEDED, 1, 1, "process000", 0.0, 0.0, 0.0, rows=1, header="name\n" if SIZES[n] else None)
        for n in order
    ]
    payloads = [bytes([97 + n]) * (SIZES[n] * MEBIBYTE - 1) + b"\n" if SIZES[n] else b"" for n in order]
    await put(store, keys.result(AT, 0, 0), codec.encode(entries, payloads))
    return RowSource(store, AT, await absorb_sealed(store, AT, {0: 1}, Ledger(len(SIZES))))


async def test_parts_make_the_same_bytes(access: Access, source: RowSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """With time for one part an invocation, and again when all is done; also where an upload was lost in between."""
    monkeypatch.setattr(in_parts, "PART", 5 * MEBIBYTE)
    await ensure_bucket("s3://outputs", access)
    whole, parted = "s3://outputs/whole.csv", "s3://outputs/deep/parted.csv"
    await reduce(source, RowFormat.CSV, whole, access)
    tries = 1
    while not await reduce_in_parts(source, RowFormat.CSV, parted, access, iter([True, False]).__next__):
        tries += 1
        if tries == 2:
            await _abort(source, access)
    assert tries == 4  # one part was lost with the upload, two were there, and the last invocation writes the third
    assert await _read(parted, access) == await _read(whole, access)
    assert await reduce_in_parts(source, RowFormat.CSV, parted, access, lambda: False)


async def _abort(source: RowSource, access: Access) -> None:
    upload, _ = in_parts._noted(await read(source.store, keys.reducing_json(AT)) or b"")
    assert upload is not None
    await PartedObject("outputs", "deep/parted.csv", access).abort(upload)


async def _read(uri: str, access: Access) -> bytes | None:
    store, key = locate(uri, access)
    return await read(store, key)


async def test_a_bucket_that_is_not_there(access: Access) -> None:
    """The error names it."""
    with pytest.raises(StoreError, match="s3://not-there/key"):
        await PartedObject("not-there", "key", access).begin()
