"""The fixtures of tests/unit/cli/render, for the tests here, too."""

from tests.unit.cli.render.conftest import failed, output, progress, run_report, step_report, steps

__all__ = ["failed", "output", "progress", "run_report", "step_report", "steps"]
