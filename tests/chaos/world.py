"""Where a scene plays: a folder, or a server that is started for it."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.servers import aws_environ, localstack, minio

WORLDS = ("embedded", "bucket", "localstack", "minio")
IN_STORE = {"FANOUT_QUEUE": "bucket:"}


@contextmanager
def world(name: str, folder: Path) -> Iterator[tuple[str | None, Mapping[str, str]]]:
    """The store's URI (None: in the scene's folder) and the environment that leads there.

    Messages are in SQLite, in the folder's own store ("bucket"), on SQS, and in the store on MinIO, which has no other.
    """
    if name in ("embedded", "bucket"):
        yield None, IN_STORE if name == "bucket" else {}
        return
    (folder / name).mkdir()
    with (localstack if name == "localstack" else minio)(folder / name) as endpoint:
        environ = aws_environ(endpoint) | (IN_STORE if name == "minio" else {})
        yield f"s3://chaos-{secrets.token_hex(4)}/runs", environ
