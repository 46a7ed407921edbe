"""Endpoints, region and credentials, from the environment and from settings."""

import sys
from types import ModuleType

import pytest

from fanout.errors import SettingsError
from fanout.storage.access import Access, Credentials

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI"}


def test_nothing_said_is_aws_itself() -> None:
    """Without variables everything is left to the AWS libraries."""
    assert Access.from_environ({}) == Access()


def test_one_endpoint_for_both() -> None:
    """AWS_ENDPOINT_URL holds for S3 and SQS, a service's own variable before it."""
    environ = {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566/", "AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:9324"}
    access = Access.from_environ(environ)
    assert (access.endpoint_url_s3, access.endpoint_url_sqs) == ("http://127.0.0.1:4566", "http://127.0.0.1:9324")


def test_configured_endpoints_can_be_ignored() -> None:
    """AWS_IGNORE_CONFIGURED_ENDPOINT_URLS works as in any AWS tool; a setting of ours still counts."""
    environ = {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    assert Access.from_environ(environ).endpoint_url_s3 is None
    assert Access.from_environ(environ, endpoint_url="http://minio:9000").endpoint_url_s3 == "http://minio:9000"


def test_settings_overrule_the_environment() -> None:
    """What a profile names was asked for by name."""
    environ = {"AWS_ENDPOINT_URL_S3": "http://one", "AWS_REGION": "eu-west-1", "AWS_SKIP_SIGNATURE": "true"}
    access = Access.from_environ(environ, endpoint_url_s3="http://two", region="eu-north-1", anonymous=False)
    assert access == Access(endpoint_url_s3="http://two", region="eu-north-1")


@pytest.mark.parametrize(
    ("environ", "region"),
    [
        ({"AWS_REGION": "a", "AWS_DEFAULT_REGION": "b"}, "a"),
        ({"AWS_DEFAULT_REGION": "b"}, "b"),
        ({"AWS_REGION": ""}, None),
    ],
)
def test_region(environ: dict[str, str], region: str | None) -> None:
    """AWS_REGION before AWS_DEFAULT_REGION."""
    assert Access.from_environ(environ).region == region


@pytest.mark.parametrize(
    "endpoint", ["127.0.0.1:4566", "ftp://host", "http://", "somewhere", "http://[1", "http://h:x", "http://h:0x1f/"]
)
def test_endpoint_that_is_no_url(endpoint: str) -> None:
    """Said before anything starts, with what would be right."""
    with pytest.raises(SettingsError, match=r"expected http\(s\)://host"):
        Access.from_environ({"AWS_ENDPOINT_URL": endpoint})


def test_endpoint_with_credentials_is_refused_unseen() -> None:
    """Credentials in a URL would end up in every message; this one does not repeat them."""
    with pytest.raises(SettingsError, match="do not belong in a URL") as caught:
        Access.from_environ({"AWS_ENDPOINT_URL": "http://user:geheim@host"})
    assert "geheim" not in str(caught.value)
    with pytest.raises(SettingsError, match="expected http") as caught:
        Access.from_environ({"AWS_ENDPOINT_URL": "ftp://user:geheim@host"})
    assert "geheim" not in str(caught.value)


def test_half_a_key_pair() -> None:
    """A forgotten half is a mistake, not a wish for other credentials."""
    with pytest.raises(SettingsError, match="expected both"):
        Access.from_environ({"AWS_ACCESS_KEY_ID": "x"})


def test_no_representation_shows_credentials() -> None:
    """repr and str are safe to log."""
    access = Access.from_environ({**KEYS, "AWS_SESSION_TOKEN": "tokentoken"})
    for shown in (repr(access), str(access), f"{access}", repr(access.credentials)):
        assert not any(secret in shown for secret in (*KEYS.values(), "tokentoken"))


def test_a_child_reaches_the_same_servers() -> None:
    """What a node's environment gets leads to an equal access."""
    environ = {**KEYS, "AWS_SESSION_TOKEN": "t", "AWS_ENDPOINT_URL_S3": "http://s3", "AWS_REGION": "eu-west-1"}
    access = Access.from_environ(environ, endpoint_url_sqs="http://sqs", anonymous=True)
    assert Access.from_environ(access.child_environ()) == access
    assert Access().child_environ() == {}


def test_localstack_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The word alone is enough: LocalStack's usual port, and credentials it takes."""
    monkeypatch.setitem(sys.modules, "localstack_client", None)
    monkeypatch.setitem(sys.modules, "localstack_client.config", None)
    access = Access.from_environ({}, endpoint_url="localstack")
    assert access.endpoint_url_s3 == access.endpoint_url_sqs == "http://127.0.0.1:4566"
    assert access.credentials == Credentials("test", "test")


def test_localstack_client_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where localstack-client is installed, it knows the port."""
    config = ModuleType("localstack_client.config")
    config.get_service_endpoint = lambda service, localstack_host=None: f"http://{localstack_host}:4510/{service}"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "localstack_client", ModuleType("localstack_client"))
    monkeypatch.setitem(sys.modules, "localstack_client.config", config)
    access = Access.from_environ({"AWS_ENDPOINT_URL": "localstack", "LOCALSTACK_HOST": "box:4510"})
    assert access.endpoint_url_sqs == "http://box:4510/sqs"
