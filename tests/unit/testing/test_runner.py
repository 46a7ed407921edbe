from pathlib import Path
from typing import Any, NoReturn

import pytest

from fanout.testing.runner import FanoutRun


def test_servers_that_there_are_not_are_refused(tmp_path: Path) -> None:
    """A misspelt name must not pass for moto; nothing is started or made."""

    def never() -> NoReturn:
        pytest.fail("made")

    run: Any = FanoutRun(tmp_path, never, never)
    with pytest.raises(ValueError, match="servers='anything': expected 'moto' or 'none'"):
        run("pipeline.yml", servers="anything")
