import subprocess
import sys

LAST_WORDS = """
import sys, threading, time
from fanout.storage.hard_exit import hard_exit
threading.Thread(target=time.sleep, args=(60,)).start()
sys.stdout.write("last words")
hard_exit(7)
"""


def test_a_process_leaves_with_its_code_and_its_words() -> None:
    """What was written is out, and no thread keeps the process."""
    done = subprocess.run([sys.executable, "-c", LAST_WORDS], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (7, "last words", "")
