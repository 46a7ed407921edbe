"""Nothing in the environment of a run under test leads to an account."""

import os

from fanout.testing.environment import isolated


def test_accounts_and_stores_do_not_get_through() -> None:
    """Keys, profiles, endpoints and settings of the person who runs the tests are gone; the rest stays."""
    mine = {"AWS_PROFILE": "prod", "AWS_SESSION_TOKEN": "s", "AZURE_CLIENT_SECRET": "s", "FANOUT_STORE": "s3://prod"}
    found = isolated({**mine, "GOOGLE_APPLICATION_CREDENTIALS": "/key.json", "PATH": "/bin"})
    assert found["PATH"] == "/bin"
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AZURE_CLIENT_SECRET", "FANOUT_STORE"} & set(found)
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in found


def test_no_other_way_to_an_account_is_left() -> None:
    """Keys that open nothing; no files, and no metadata service of a machine on EC2."""
    found = isolated({})
    assert found["AWS_ACCESS_KEY_ID"] == found["AWS_SECRET_ACCESS_KEY"] == "testing"
    assert found["AWS_CONFIG_FILE"] == found["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert found["AWS_EC2_METADATA_DISABLED"] == "true"


def test_what_the_test_adds_wins() -> None:
    """A test may lead its run to a server of its own."""
    found = isolated({"AWS_REGION": "eu-west-1"}, {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_REGION": "x"})
    assert found["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert found["AWS_REGION"] == "x"


def test_loopback_needs_no_proxy() -> None:
    """A proxy that the machine uses is not asked for servers on it."""
    assert isolated({"NO_PROXY": "intern"})["NO_PROXY"] == "intern,127.0.0.1,localhost"
    assert isolated({"HTTPS_PROXY": "http://p"})["NO_PROXY"] == "127.0.0.1,localhost"
