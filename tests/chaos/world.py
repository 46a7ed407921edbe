"""Where a scene plays: a folder, or a LocalStack that is started for it."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.servers import aws_environ, localstack

WORLDS = ("embedded", "localstack")


@contextmanager
def world(name: str, folder: Path) -> Iterator[tuple[str | None, Mapping[str, str]]]:
    """The store's URI (None: in the scene's folder) and the environment that leads there."""
    if name == "embedded":
        yield None, {}
        return
    (folder / "localstack").mkdir()
    with localstack(folder / "localstack") as endpoint:
        yield f"s3://chaos-{secrets.token_hex(4)}/runs", aws_environ(endpoint)
