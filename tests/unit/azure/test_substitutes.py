"""What stands in for Azure's classes: replaced when a script imports them, whatever is installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from fanout.azure.polling import Finished
from fanout.azure.submissions_file import VARIABLE, note_submission, submissions
from fanout.azure.unchanged.substitutes import LocalCredential

SCRIPT = """
import sys
from fanout.azure.unchanged.substitutes import LocalCredential, substitute
substitute()
assert "azure" not in {name.partition(".")[0] for name in sys.modules}, "nothing is loaded before it is asked for"
from azure.ai.ml import MLClient, Other
from azure.identity import DefaultAzureCredential, NotOne
import azure.ai.ml
assert MLClient.__module__ == "fanout.azure.client" and azure.ai.ml.MLClient is MLClient
assert Other == "other" and NotOne == "kept"
assert issubclass(DefaultAzureCredential, LocalCredential)
assert DefaultAzureCredential(tenant_id="x").get_token("scope").token
assert azure.ai.ml.__file__ and azure.ai.ml.__spec__.loader.get_source("azure.ai.ml")
"""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Packages with Azure's names."""
    (tmp_path / "azure" / "ai" / "ml").mkdir(parents=True)
    (tmp_path / "azure" / "ai" / "ml" / "__init__.py").write_text("class MLClient: ...\nOther = 'other'\n")
    (tmp_path / "azure" / "identity").mkdir()
    identity = "class DefaultAzureCredential:\n    def __init__(self, **more): raise OSError\nNotOne = 'kept'\n"
    (tmp_path / "azure" / "identity" / "__init__.py").write_text(identity)
    return tmp_path


def test_the_client_and_the_credentials_are_replaced(packages: Path) -> None:
    """In that process, and nothing else of these packages."""
    code = f"import sys; sys.path.insert(0, {str(packages)!r})\n{SCRIPT}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_credential_contacts_nobody() -> None:
    """Whatever it is given; the token does not expire."""
    with LocalCredential("a", b=1) as credential:
        assert credential.get_token("scope").expires_on > 4_000_000_000


def test_an_operation_is_over_when_it_returns() -> None:
    """As one of Azure's is after a while."""
    poller = Finished(3)
    poller.wait()
    assert (poller.result(), poller.done(), poller.status()) == (3, True, "Succeeded")


def test_submissions_are_noted_where_someone_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order; without the variable nothing is written."""
    file = tmp_path / "submissions"
    note_submission("unnoted", "file:///store")
    assert submissions(file) == []
    monkeypatch.setenv(VARIABLE, str(file))
    note_submission("a", "file:///store")
    note_submission("b", "s3://bucket")
    assert submissions(file) == [("a", "file:///store"), ("b", "s3://bucket")]
