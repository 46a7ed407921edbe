"""Stand-ins for what older Pythons lack behave as the standard library of newer ones does."""

import dataclasses
import enum
import functools
import subprocess
import sys
from pathlib import Path

import pytest

from fanout import backports
from fanout.environments import interpreters

SAME = """
import sys
sys.path.insert(0, sys.argv[1])
import dataclasses, json
from fanout.backports import StrEnum, cache, dataclass, stdlib_module_names

class Word(StrEnum):
    STOP = "stop"

assert (str(Word.STOP), "%s" % Word.STOP, "{}".format(Word.STOP)) == ("stop", "stop", "stop")
assert json.dumps(Word.STOP) == '"stop"'
assert Word("stop") is Word.STOP and Word.STOP == "stop" and {"stop": 1}[Word.STOP] == 1 and Word.STOP.value == "stop"

@dataclass(frozen=True, slots=True, order=True)
class Part:
    start: int
    stop: int = 5

assert Part(1) == Part(1, 5) < Part(2) and hash(Part(1)) == hash(Part(1, 5))
assert repr(Part(1)) == "Part(start=1, stop=5)"
assert dataclasses.replace(Part(1), stop=2) == Part(1, 2)
try:
    Part(1).start = 2
except dataclasses.FrozenInstanceError:
    pass
else:
    raise AssertionError

@dataclass
class Plain:
    items: list = dataclasses.field(default_factory=list)

assert Plain() == Plain([])
calls = []

@cache
def once():
    calls.append(1)
    return calls

assert once() is once() and calls == [1]
assert {"json", "math", "_json", "asyncio", "sys", "os", "zipfile", "email"} <= set(stdlib_module_names)
assert not {"site-packages", "pip", "fanout", "numpy"} & set(stdlib_module_names)
"""


@pytest.mark.parametrize("minor", range(8, 14))
def test_in_every_python(minor: int, tmp_path: Path) -> None:
    """The same in all of them."""
    found = interpreters.find(f"==3.{minor}.*")
    if found is None:
        pytest.skip(f"there is no Python 3.{minor} on this machine")
    links = tmp_path / "links"
    links.mkdir()
    (links / "fanout").symlink_to(Path(backports.__file__).parent)
    subprocess.run([found.path, "-c", SAME, str(links)], check=True)


def test_here_they_are_the_standard_library_s_own() -> None:
    """So nothing differs where fanout itself runs."""
    assert backports.dataclass is dataclasses.dataclass
    assert backports.StrEnum is enum.StrEnum
    assert backports.cache is functools.cache
    assert backports.stdlib_module_names is sys.stdlib_module_names
