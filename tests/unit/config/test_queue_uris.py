"""URIs of queues, as options, FANOUT_QUEUE and fanout.toml write them."""

from pathlib import Path

import pytest

from fanout.config.queue_uris import queue_uri
from fanout.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("sqlite:q", "sqlite:/base/q"),
        ("sqlite://q", "sqlite:/base/q"),
        ("sqlite:/q/../r", "sqlite:/r"),
        ("sqs:", "sqs:"),
        ("sqs://eu-west-1", "sqs://eu-west-1"),
        ("bucket:", "bucket:"),
    ],
)
def test_folders_become_absolute(text: str, uri: str) -> None:
    """A relative folder starts from where it was written; what names no folder stays as it is."""
    assert queue_uri(text, Path("/base")) == uri


def test_a_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` is the home folder, as in a shell."""
    monkeypatch.setenv("HOME", "/home/ada")
    assert queue_uri("sqlite:~/q", Path("/base")) == "sqlite:/home/ada/q"


@pytest.mark.parametrize("text", ["kafka:x", "sqlite:", "sqs", "", "/a/folder", "bucket", "bucket:x"])
def test_others_are_refused(text: str) -> None:
    """With what would be right, and what was found."""
    with pytest.raises(SettingsError, match=f"expected sqlite:FOLDER, sqs:, sqs://REGION or bucket:, found '{text}'"):
        queue_uri(text, Path("/base"))
