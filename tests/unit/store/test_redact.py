"""Nothing that looks like a credential gets through."""

import pytest

from fanout.store.redact import redact


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("key AKIAIOSFODNN7EXAMPLE is disabled", "AKIAIOSFODNN7EXAMPLE"),
        ("GET https://user:geheim@host/x", "geheim"),
        ("GET https://b/k?X-Amz-Credential=AKI%2F1&X-Amz-Signature=abc123&versionId=7", "abc123"),
        ("https://a.blob.core.windows.net/c?sv=1&sig=abc%3D&se=2", "abc%3D"),
        ("<AWSAccessKeyId>who</AWSAccessKeyId>", "who"),
        ("aws_secret_access_key = wJalr/K7", "wJalr/K7"),
        ("{'session_token': 'FwoGZX'}", "FwoGZX"),
        ("X-Amz-Security-Token=FwoG&x=1", "FwoG"),
    ],
)
def test_credentials_are_hidden(text: str, secret: str) -> None:
    """In URLs, XML, dictionaries and plain sentences."""
    assert secret not in redact(text)
    assert "[hidden]" in redact(text)


@pytest.mark.parametrize(
    "text",
    ["runs/r1/step/results/000/00000001", "s3://bucket/significant=1/file.csv", "NoSuchKey: The key does not exist."],
)
def test_everything_else_stays(text: str) -> None:
    """Keys and reasons are what an error is for."""
    assert redact(text) == text
