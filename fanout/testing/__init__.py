"""What tests of pipelines hold: the types behind the fixtures `fanout_run`, `fanout_run_from` and `fanout_servers`.

The fixtures are in `fanout.testing.plugin`, which pytest loads by itself. All of this is cheap to import: what runs a
pipeline is loaded when the first test runs one.
"""

from fanout.testing.errors import RunNotCompletedError, RunTimeoutError
from fanout.testing.output import Output
from fanout.testing.result import Counts, Failure, RunResult, StepResult
from fanout.testing.runner import FanoutRun
from fanout.testing.servers import Servers

__all__ = [
    "Counts",
    "Failure",
    "FanoutRun",
    "Output",
    "RunNotCompletedError",
    "RunResult",
    "RunTimeoutError",
    "Servers",
    "StepResult",
]
