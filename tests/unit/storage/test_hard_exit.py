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


FOREIGN_THREAD = """
import ctypes, time
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)

@CALLBACK
def answer(_):
    time.sleep(0.3)
    print("arrived", flush=True)

ctypes.CDLL(None).pthread_create(ctypes.byref(ctypes.c_ulong()), None, answer, None)
"""


def test_answers_of_a_library_arrive() -> None:
    """A thread that Python did not start has left Python before this returns."""
    end = "from fanout.storage.hard_exit import let_answers_arrive\nlet_answers_arrive()\nprint('end')\n"
    done = subprocess.run([sys.executable, "-c", FOREIGN_THREAD + end], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "arrived\nend\n", "")


def test_a_process_that_called_lets_answers_arrive() -> None:
    """The end of a script after its last call; without it the thread would abort the process or never answer."""
    call = "import asyncio\nfrom fanout.api.calls import call\ncall(lambda: asyncio.sleep(0))\n"
    done = subprocess.run([sys.executable, "-c", call + FOREIGN_THREAD], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "arrived\n", "")
