from pathlib import Path

from fanout.slot.child.entry_script import OURS
from fanout.slot.child.stack_dumps import readable, taken

DUMP = f"""\
Fatal Python error: Segmentation fault

Thread 0x00007f1111 (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 324 in wait
  File "{{code}}/score.py", line 2 in watch

Current thread 0x00007f2222 (most recent call first):
  File "/usr/lib/python3.11/ctypes/__init__.py", line 519 in string_at
  File "{{code}}/score.py", line 3 in run
  File "{OURS}slot/child/main.py", line 85 in _run
  File "<frozen runpy>", line 88 in _run_code

Extension modules: numpy.core._multiarray_umath (total: 1)
"""


def test_a_dump_reads_like_a_traceback(tmp_path: Path) -> None:
    """Innermost last, without our frames; the thread that counts comes last; lines of the script's own files."""
    (tmp_path / "score.py").write_text("import ctypes\ndef watch(): ...\n    ctypes.string_at(0)\n")
    assert (
        readable(DUMP.format(code=tmp_path), str(tmp_path))
        == f"""\
Fatal Python error: Segmentation fault
Another thread (most recent call last):
  File "{tmp_path}/score.py", line 2, in watch
    def watch(): ...
  File "/usr/lib/python3.11/threading.py", line 324, in wait
Stack at that moment (most recent call last):
  File "{tmp_path}/score.py", line 3, in run
    ctypes.string_at(0)
  File "/usr/lib/python3.11/ctypes/__init__.py", line 519, in string_at
"""
    )


def test_what_is_no_dump_is_nothing(tmp_path: Path) -> None:
    """Half a dump, none, or something else, as a script may write into any file descriptor it finds."""
    assert readable("", None) == readable("\x00nonsense\n  File x", None) == ""
    assert taken(tmp_path / "missing", None) == ""
    (tmp_path / "half").write_bytes(
        b'Current thread 0x1 (most recent call first):\n  File "a.py", line 1 in f\n  Fi\xff'
    )
    assert taken(tmp_path / "half", None).endswith('  File "a.py", line 1, in f\n')
    assert not (tmp_path / "half").exists()


def test_lines_of_other_files_are_not_shown(tmp_path: Path) -> None:
    """Only what is in the code folder is read."""
    (tmp_path / "secret.txt").write_text("hunter2\n")
    dump = f'Current thread 0x1 (most recent call first):\n  File "{tmp_path}/secret.txt", line 1 in f\n'
    assert "hunter2" not in readable(dump, str(tmp_path / "code"))
