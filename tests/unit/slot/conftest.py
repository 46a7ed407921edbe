"""The fixtures of tests/unit/node, for the tests here, too."""

from tests.unit.node.conftest import code, forks, held, launch, message, pair, start_order, write_script

__all__ = ["code", "forks", "held", "launch", "message", "pair", "start_order", "write_script"]
