"""Program arguments that are nearly a setting."""

from pathlib import Path

import pytest

from fanout.errors import Place
from fanout.pipeline.steps.arguments import read_options
from fanout.pipeline.yaml.diagnostics import Report
from fanout.pipeline.yaml.tree import Origin


@pytest.mark.parametrize(
    ("given", "notices"),
    [
        (
            "--resource_monitor_interva",
            (
                (
                    "task.program_arguments: --resource_monitor_interva is left to the script; did you mean "
                    "--resource_monitor_interval?"
                ),
            ),
        ),
        (
            "--error_treshold=3",
            ("task.program_arguments: --error_treshold is left to the script; did you mean --error_threshold?",),
        ),
        ("--threshold", ()),
        ("--model", ()),
        ("resource_monitor_interva", ()),
    ],
)
def test_one_letter_off(given: str, notices: tuple[str, ...]) -> None:
    """It may be the script's own, so it is no problem; it is said."""
    report = Report()
    read_options([given, "20"], Origin(Place("p.yml", 1, 1), "task.program_arguments", Path()), report)
    assert (report.notices, report.problems) == (notices, [])
