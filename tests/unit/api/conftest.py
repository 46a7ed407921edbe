"""The fixtures of tests/unit/cli, for the tests here, too."""

from tests.unit.cli.conftest import fanout, folder, pipeline

__all__ = ["fanout", "folder", "pipeline"]
