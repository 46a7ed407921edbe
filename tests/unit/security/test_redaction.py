"""Nothing that looks like a credential gets through."""

import base64
import contextlib
import json
import time
import urllib.parse

import pytest

from fanout.security.redaction import HIDDEN, has_credential, is_secret, redact, secrets_of


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
        ("MAX_TOKENS", "many-of-them"), ("KEYBOARD", "german"), ("PATH", "/usr/bin:/bin"), ("PWD", "/home/ada/work"),
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
    found = secrets_of(environ)
    assert {"hiddenhidden", "abcdefghi", "abcdef"} <= set(found)
    assert not {"/root", "user", "host"} & set(found)
    assert [len(one) for one in found] == sorted(map(len, found), reverse=True)
    assert redact("xabcdefghix abcdef at hiddenhidden", found) == "x[hidden]x [hidden] at [hidden]"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_SECRET_ACCESS_KEY", "/bPxRfiCYEXAMPLEKEYwJalrXUtnFEMIK7MDENG+"),
        ("AWS_SECRET_ACCESS_KEY", "/bPxRfiCY/EXAMPLEKEYwJalrXUtnFEMI/K7MDENG"),
        ("DB_PASS", "geheim"), ("GITHUB_PAT", "ghp_abcdefghijkl"), ("STRIPE_KEY", "sk_live_4eC39HqLyjWDarjt"),
        ("JWT", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x"), ("SENTRY_DSN", "https://abc123@sentry.example/1"),
        ("DB_PWD", "geheim"), ("SMTP_CREDENTIALS", "user:geheim"), ("SQL_CONNECTION_STRING", "Server=x;Pwd=geheim"),
        ("AZURE_CONNSTR", "Server=x;Pwd=geheim"), ("SIGNING_KEY", "geheim"), ("SESSION_COOKIE", "a1b2c3d4e5f6g7h8"),
        ("SLACK_WEBHOOK_URL", "https://hooks.slack.example/services/T0/B0/x"), ("OPENAI_KEY", "sk-Abcdefghijklmnop"),
        ("db_password", "/geheim"),
    ],
)  # fmt: skip
def test_credentials_by_name(name: str, value: str) -> None:
    """Names that the usual tools have for them; a slash at the beginning makes no place of a key."""
    assert is_secret(name, value)
    assert value in secrets_of({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PARTITION_KEY", "customer_id"), ("SORT_KEY", "created_at_in_utc_time"), ("PWD", "geheim-nicht"),
        ("OLDPWD", "geheim-nicht"), ("SSL_CERT", "/etc/ssl/certs/ca-certificates.crt"),
        ("TLS_KEY", "/work/x/server.key"),
        ("VAULT_TOKEN", "/var/run/secrets/token"), ("MODEL_TOKEN", "/models/tok.json"), ("COMPASS", "north-north-west"),
        ("AUTH", "kerberos-and-ldap"), ("DATABASE_URL", "postgres://db/x"), ("SESSION", "2026-autumn session"),
    ],
)  # fmt: skip
def test_names_that_are_shared_with_other_values(name: str, value: str) -> None:
    """A key of a table is a word, a certificate is a file: hiding those would take words out of every text."""
    assert not is_secret(name, value)


SECRET = 'p@ss w0rd/"+geheim\\é'  # noqa: S105 - made up


@pytest.mark.parametrize(
    "written",
    [
        urllib.parse.quote(SECRET, safe=""),
        urllib.parse.quote_plus(SECRET),
        urllib.parse.quote(SECRET),
        f"https://user:{urllib.parse.quote(SECRET, safe='')}@host",
        json.dumps({"password": SECRET}),
        json.dumps([SECRET], ensure_ascii=False),
        repr([SECRET]),
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        *(
            base64.b64encode(f"{before}{SECRET}{after}".encode()).decode()
            for before in ("", "u:", "ab:")
            for after in ("", "!!")
        ),
        *(base64.urlsafe_b64encode(f"{before}{SECRET}".encode()).decode() for before in ("", "x", "yz")),
    ],
)
def test_forms_that_libraries_write_secrets_in(written: str) -> None:
    """Whatever encodes it, the part that is the secret's own is gone."""
    found = secrets_of({"DB_PASSWORD": SECRET})
    hidden = written
    for form in found:
        hidden = hidden.replace(form, HIDDEN)
    assert HIDDEN in hidden
    for decode in (urllib.parse.unquote_plus, _from_base64, _from_hex):
        assert "geheim" not in decode(hidden.replace(HIDDEN, ""))


def _from_base64(text: str) -> str:
    with contextlib.suppress(ValueError):
        return base64.b64decode(
            text + "=" * (-len(text) % 4), altchars=b"-_" if set("-_") & set(text) else None
        ).decode("utf-8", "replace")
    return ""


def _from_hex(text: str) -> str:
    with contextlib.suppress(ValueError):
        return bytes.fromhex(text).decode("utf-8", "replace")
    return ""


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abcdefgh", "abcdefgh"),
        ("{'Authorization': 'Basic dXNlcjpnZWhlaW0='}", "dXNlcjpnZWhlaW0"),
        ("curl says: bearer abcdef.ghijkl-0123456789 is expired", "abcdef.ghijkl-0123456789"),
        ("redis://:geheim@host", "geheim"),
        ("postgres://me:p@ss@host/db", "p@ss"),
        ("DefaultEndpointsProtocol=https;AccountKey=bG9uZ2tleQ==;EndpointSuffix=x", "bG9uZ2tleQ"),
        ("Endpoint=sb://x;SharedAccessKey=geheim=;", "geheim"),
        ("AWSSecretKey=abc/def", "abc/def"),
        ("if password == 'geheim':", "geheim"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEgeheim\nmore\n-----END RSA PRIVATE KEY-----", "MIIEgeheim"),
        ("key: -----BEGIN PRIVATE KEY-----\\nMIIEgeheim", "MIIEgeheim"),
        ("cloned with ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_abc"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc-def is stale", "eyJzdWIi"),
    ],
)
def test_more_credentials_by_their_shape(text: str, secret: str) -> None:
    """Headers, connection strings, comparisons, keys in files, tokens of the usual services."""
    assert secret not in redact(text)
    assert has_credential(text)


@pytest.mark.parametrize(
    "text",
    [
        "azure-mgmt-authorization==3.0.0",
        "set AWS_SKIP_SIGNATURE=true, or give credentials",
        "export AWS_SECRET_ACCESS_KEY=<your key>",
        "curl -H 'Authorization: Bearer $TOKEN' https://host",
        "mysql --password=${{inputs.password}} --password=$PASSWORD --password=${PASSWORD} --password=$(cat file)",
        "the bearer of this letter",
        "postgres://$USER:$PASSWORD@host/db",
        "score/part-00001.csv: password_hint is missing",
    ],
)
def test_advice_and_commands_without_values_stay(text: str) -> None:
    """What names a variable, or a place for a value, gives nothing away, and has to be readable."""
    assert redact(text) == text
    assert not has_credential(text)


@pytest.mark.parametrize(
    "text",
    [
        "://" * 20_000, "://a:" * 20_000, "password" + " " * 100_000, "password=" * 20_000, "eyJ" * 50_000,
        "-----BEGIN PRIVATE KEY-----" * 5_000, "Bearer " * 20_000, "Bearer " + "a" * 100_000, "://" + "a:" * 50_000,
        "<AWSAccessKeyId>" * 10_000, "sig=" * 50_000, "x" * 300_000, "gh" * 100_000,
    ],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_no_text_takes_long(text: str) -> None:
    """Time grows with the length of what user code says, not with its square."""

    def seconds(of: str) -> float:
        begun = time.process_time()
        redact(of)
        return time.process_time() - begun

    assert min(seconds(text) for _ in range(2)) < 1.0
