"""Nothing that looks like a credential gets through."""

import pytest

from fanout.store.redact import is_secret, redact, secrets_of


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


@pytest.mark.parametrize(
    "name",
    [
        "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "HF_TOKEN", "token", "DB_PASSWORD",
        "PGPASSWORD",
        "WANDB_API_KEY", "OPENAI_APIKEY", "AZURE_STORAGE_CONNECTION_STRING", "AZURE_CLIENT_SECRET", "ACCOUNT_KEY",
        "GOOGLE_CREDENTIALS", "BLOB_SAS", "SSH_PRIVATE_KEY",
    ],
)  # fmt: skip
def test_names_of_credentials(name: str) -> None:
    """What the usual libraries call theirs."""
    assert is_secret(name, "geheim-und-lang")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_TOKENS", "many-of-them"), ("KEYBOARD", "german"), ("PATH", "/usr/bin:/bin"), ("PWD", "/work/main"),
        ("OLDPWD", "/work/somewhere"), ("HF_TOKEN", "none"), ("TOKEN", "123456789"), ("AWS_ACCESS_KEY_ID", "test"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/etc/key.json"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "./token-of-mine"),
        ("SECRET_NAME", "name-in-a-vault"), ("TOKENIZERS_PARALLELISM", "false-or-true"), ("MONKEY", "chimpanzee"),
    ],
)  # fmt: skip
def test_other_variables(name: str, value: str) -> None:
    """Words that only sound like it, places, numbers, and values too short to guard anything."""
    assert not is_secret(name, value)


def test_secrets_of_an_environment() -> None:
    """By name and in URLs, the longest first, and gone from a text wherever they stand."""
    environ = {
        "A_TOKEN": "abcdef",
        "B_TOKEN": "abcdefghi",
        "DB": "postgres://user:hiddenhidden@host/db",
        "HOME": "/root",
    }
    assert secrets_of(environ) == ("hiddenhidden", "abcdefghi", "abcdef")
    assert redact("xabcdefghix abcdef at hiddenhidden", secrets_of(environ)) == "x[hidden]x [hidden] at [hidden]"
