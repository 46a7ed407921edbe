"""Uploads to S3 in parts that outlive the process which began them; obstore's own end with it."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, Any

from fanout.errors import MissingExtraError, StoreError
from fanout.security.redaction import redact
from fanout.storage.access import Access
from fanout.storage.credentials import s3_client

SMALLEST_PART = 5 * 1024 * 1024
"""Bytes of every part but the last, at the least; S3's own bound."""
MOST_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class PartedObject:
    """An object that is written in parts, by one process after the other. Parts of equal number replace each other."""

    bucket: str
    key: str
    access: Access

    async def begin(self) -> str:
        """The name of a new upload."""
        answer = await self._call(lambda client: client.create_multipart_upload(Bucket=self.bucket, Key=self.key))
        return str(answer["UploadId"])

    async def parts(self, upload: str) -> dict[int, str] | None:
        """The ETag of each part that is there; None when the upload is not known: it is complete, or was aborted."""

        def listed(client: Any) -> dict[int, str] | None:
            pages = client.get_paginator("list_parts").paginate(Bucket=self.bucket, Key=self.key, UploadId=upload)
            try:
                return {part["PartNumber"]: part["ETag"] for page in pages for part in page.get("Parts", ())}
            except client.exceptions.NoSuchUpload:
                return None

        there: dict[int, str] | None = await self._call(listed)
        return there

    async def put(self, upload: str, number: int, body: IO[bytes]) -> str:
        """The part is there; its ETag."""
        answer = await self._call(
            lambda client: client.upload_part(
                Bucket=self.bucket, Key=self.key, UploadId=upload, PartNumber=number, Body=body
            )
        )
        return str(answer["ETag"])

    async def complete(self, upload: str, etags: Mapping[int, str]) -> None:
        """The object is there, of these parts in the order of their numbers."""
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in sorted(etags.items())]
        await self._call(
            lambda client: client.complete_multipart_upload(
                Bucket=self.bucket, Key=self.key, UploadId=upload, MultipartUpload={"Parts": parts}
            )
        )

    async def abort(self, upload: str) -> None:
        """Nothing of the upload is left."""
        await self._call(
            lambda client: client.abort_multipart_upload(Bucket=self.bucket, Key=self.key, UploadId=upload)
        )

    async def _call(self, job: Callable[[Any], Any]) -> Any:
        def done() -> Any:
            with _translated(f"s3://{self.bucket}/{self.key}"):
                return job(_client(self.access))

        return await asyncio.to_thread(done)


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """An upload in parts that is neither complete nor aborted; `begun` in epoch seconds."""

    key: str
    upload: str
    begun: float


async def open_uploads(bucket: str, prefix: str, access: Access) -> list[OpenUpload]:
    """All uploads under way to keys that begin with `prefix`."""

    def listed() -> list[OpenUpload]:
        pages = _client(access).get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix)
        found = [upload for page in pages for upload in page.get("Uploads", ())]
        return [OpenUpload(one["Key"], one["UploadId"], one["Initiated"].timestamp()) for one in found]

    def done() -> list[OpenUpload]:
        with _translated(f"s3://{bucket}/{prefix}"):
            return listed()

    return await asyncio.to_thread(done)


@lru_cache(maxsize=4)
def _client(access: Access) -> Any:
    return s3_client(access)


@contextmanager
def _translated(uri: str) -> Iterator[None]:
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise MissingExtraError("Writing to S3 in parts", "aws") from None
    try:
        yield
    except (ClientError, BotoCoreError) as exc:
        raise StoreError(f"cannot write {uri} in parts: {redact(str(exc))}") from exc
