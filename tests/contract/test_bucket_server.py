"""A server that the queue `bucket:` cannot rely upon is refused before a run, by a real one that ignores conditions."""

import uuid
from collections.abc import Callable

import pytest

from fanout.api.context import run_context_of
from fanout.config.settings import Settings
from fanout.errors import SettingsError
from fanout.storage.access import Access
from fanout.storage.open import ensure_bucket


@pytest.mark.fauxqs
async def test_a_server_without_conditional_create(
    fauxqs_endpoint: str, aws_environ: Callable[[str], dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """fauxqs's S3 replaces what is there although it was asked not to."""
    access = Access.from_environ(environ := aws_environ(fauxqs_endpoint))
    uri = f"s3://contract-{uuid.uuid4().hex}/prefix"
    await ensure_bucket(uri, access)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"the server of the store {uri} replaces an object"):
        async with run_context_of(Settings(store=uri, queue="bucket:")):
            pytest.fail("a run could begin")
