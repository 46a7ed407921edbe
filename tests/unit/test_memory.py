"""What the C library and Python do with memory, seen from a process of its own."""

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


def test_garbage_in_circles_is_looked_for_seldom_and_found_all_the_same() -> None:
    """What is there by then is not looked through any more; what comes later is, after a while."""
    circles = """
import gc, weakref
from fanout.memory import collect_seldom
collect_seldom()
assert gc.get_freeze_count() > 0
class Circle:
    def __init__(self): self.itself = self
first = weakref.ref(Circle())
kept = []
while first() is not None and len(kept) < 1_000_000: kept.append([])
print(len(kept))
"""
    done = subprocess.run([sys.executable, "-c", circles], capture_output=True, text=True, check=True)
    assert 10_000 < int(done.stdout) < 1_000_000
