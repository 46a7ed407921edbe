"""One question to Azure's SDK for all tests here: it takes seconds to import, so it is asked in one process.

Where it is not installed the tests are skipped, unless CI or FANOUT_REQUIRE_SERVERS is set: then they fail.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.differential.gather import ask, files, for_azure, is_accepted, is_installed, rows


@dataclass(frozen=True)
class Answers:
    """What the SDK says, by file: None when it takes the file."""

    accepted: Mapping[str, str | None]  # files that fanout takes, by their path in the repository
    refused: Mapping[str, str | None]  # rows of the table, by name


@pytest.fixture(scope="session")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """The answers for every pipeline file of the repository that fanout takes, and for those of the table."""
    if not is_installed():
        why = "azure-ai-ml is not installed; run: make setup"
        if os.environ.get("CI") or os.environ.get("FANOUT_REQUIRE_SERVERS"):
            pytest.fail(why)
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("pipelines")
    accepted = {label: for_azure(file) for label, file in files(folder) if is_accepted(file)}
    refused = {row.name: file for row, file in rows(folder)}
    said = ask([*accepted.values(), *refused.values()])
    return Answers(
        accepted={label: said[str(file)] for label, file in accepted.items()},
        refused={name: said[str(file)] for name, file in refused.items()},
    )
