"""Ray on this machine alone: loopback, no dashboard, nothing reported to anybody."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.peers.harness import WORKERS

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read while ray is imported
os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"

import ray


@contextmanager
def session() -> Iterator[None]:
    """A Ray of its own with two CPUs, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="ray") as folder:
        ray.init(
            num_cpus=WORKERS,
            include_dashboard=False,
            configure_logging=False,
            log_to_driver=False,
            object_store_memory=256 * 1024**2,
            _node_ip_address="127.0.0.1",
            _temp_dir=folder,
        )
        try:
            yield
        finally:
            ray.shutdown()
