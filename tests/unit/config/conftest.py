"""The fixtures of tests/unit/pipeline, for the tests here, too."""

from tests.unit.pipeline.conftest import folder, load, refuse

__all__ = ["folder", "load", "refuse"]
