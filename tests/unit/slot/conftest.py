"""The fixtures of tests/unit/node, for the tests here, too."""

from tests.unit.node.conftest import code, forks, launch, lease, message, pair, start_order, write_script

__all__ = ["code", "forks", "launch", "lease", "message", "pair", "start_order", "write_script"]
