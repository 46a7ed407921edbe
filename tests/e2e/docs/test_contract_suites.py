"""docs/reference/servers.md: the contract of stores, used outside of the repository on a server of the reader's own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import guides
from tests.guides import ROOT


@pytest.mark.moto
def test_a_store_of_others(tmp_path: Path, moto_endpoint: str, aws_environ: Callable[[str], dict[str, str]]) -> None:
    """The page's test passes in a folder without any settings of pytest."""
    page = (ROOT / "docs" / "reference" / "servers.md").read_text()
    with guides.shell(tmp_path, aws_environ(moto_endpoint)) as shell:
        guides.follow(page, shell)
        printed = shell.run('.venv/bin/pytest -q -p no:cacheprovider -p no:xdist test_my_server.py -k "not many"')
    assert printed is not None
    assert " passed" in printed
    assert "failed" not in printed
