"""What the C library does with freed memory, seen from a process of its own."""

import subprocess
import sys

import pytest

ROUNDS = 50
GROWTH = f"""
import resource, sys
from fanout import memory
getattr(memory, sys.argv[1])()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range({ROUNDS}):
        bytes(bytearray(4 * 1024 * 1024))
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
@pytest.mark.parametrize(("setting", "comes_anew"), [("return_large_buffers", True), ("keep_freed_memory", False)])
def test_freed_memory_is_kept_or_not(setting: str, comes_anew: bool) -> None:
    """Kept, the next buffer of the same size costs no new pages; given back, some for each."""
    done = subprocess.run([sys.executable, "-c", GROWTH, setting], capture_output=True, text=True, check=True)
    assert (int(done.stdout) > 2 * ROUNDS) is comes_anew
