"""S3 and SQS for tests: a moto server on a free loopback port, which ends with the process that started it."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fanout.testing.environment import isolated

if TYPE_CHECKING:
    from fanout.storage.access import Access

END_LIMIT = 10.0
MOST_MESSAGES = 200
"""Mini-batches of a step that go through moto's SQS, which walks its whole queue at every request."""


@dataclass(frozen=True, slots=True)
class Servers:
    """S3 and SQS at one endpoint, and the variables that lead any AWS tool to it."""

    endpoint_url: str

    @property
    def environ(self) -> Mapping[str, str]:
        """Environment variables, keys included, for a client of one's own: they open nothing elsewhere."""
        return {name: value for name, value in self._isolated.items() if name.startswith("AWS_")}

    def put(self, uri: str, content: bytes | str | Path) -> str:
        """Stores an object at `s3://bucket/key`, making the bucket when it is missing; returns the URI.

        `content` is what to store, or a file; of a folder all files are stored below the URI.
        """
        import obstore

        from fanout.storage.open import locate

        self._make_bucket(uri.removeprefix("s3://").partition("/")[0])
        store, key = locate(uri, self._access)
        if isinstance(content, Path) and content.is_dir():
            for path in sorted(path for path in content.rglob("*") if path.is_file()):
                obstore.put(store, f"{key}/{path.relative_to(content).as_posix()}", path.read_bytes())
        else:
            body = content.read_bytes() if isinstance(content, Path) else content
            obstore.put(store, key, body.encode() if isinstance(body, str) else body)
        return uri

    def _make_bucket(self, name: str) -> None:
        """Nothing, when there is one. By a bare request: an AWS library would look for the user's profile first."""
        import urllib.request

        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        direct.open(urllib.request.Request(f"{self.endpoint_url}/{name}", method="PUT")).close()  # noqa: S310 - http

    @property
    def _isolated(self) -> Mapping[str, str]:
        return isolated({}, {"AWS_ENDPOINT_URL": self.endpoint_url})

    @property
    def _access(self) -> "Access":
        from fanout.storage.access import Access

        return Access.from_environ(self._isolated)


@contextmanager
def moto_server() -> Iterator[Servers]:
    """S3 and SQS while the context lasts; MissingExtraError when moto is not installed."""
    from importlib.util import find_spec

    from fanout.errors import MissingExtraError

    if not all(find_spec(name) for name in ("moto", "flask", "boto3", "aiobotocore")):
        raise MissingExtraError("S3 and SQS for tests", "testing")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "fanout.testing.moto_process"],
        env=isolated(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None  # noqa: S101 - opened as a pipe
    assert process.stdout is not None  # noqa: S101 - opened as a pipe
    try:
        port = process.stdout.readline().strip()
        if not port:
            raise RuntimeError(f"the moto server ended with exit code {process.wait(END_LIMIT)} before it served")
        yield Servers(f"http://127.0.0.1:{port}")
    finally:
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
