"""The fixtures of tests/unit/scheduler, for the tests here, too."""

from tests.unit.scheduler.conftest import failure, notes, pipeline, score, world

__all__ = ["failure", "notes", "pipeline", "score", "world"]
