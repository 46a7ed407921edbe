"""A few thousand mutated inputs to every reader of outside data; `make fuzz` tries more of them."""

import resource

import pytest

from fanout.errors import FanoutError
from tests.fuzz.engine import complaint, try_case
from tests.fuzz.reader import Reader
from tests.fuzz.readers import ALL

CASES = 60
MOST_MEMORY = 700 * 1024 * 1024
"""Bytes that all inputs together may cost at most."""


@pytest.mark.parametrize("reader", ALL, ids=lambda reader: reader.name)
def test_valid_inputs_are_taken(reader: Reader) -> None:
    """Each seed is read: else its mutations would all be refused at the first look, and show nothing."""
    for seed in reader.seeds:
        try:
            reader.read(seed)
        except FanoutError as exc:
            assert any(_taken(reader, other) for other in reader.seeds), f"no seed is taken: {exc}"


def _taken(reader: Reader, seed: bytes) -> bool:
    try:
        reader.read(seed)
    except FanoutError:
        return False
    return True


@pytest.mark.parametrize("reader", ALL, ids=lambda reader: reader.name)
def test_whatever_comes_is_taken_or_refused(reader: Reader) -> None:
    """In words of ours, in bounded time and memory, and never by another exception (cases 15 and 16)."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for case in range(CASES):
        found = try_case(reader, seed=0, case=case)
        assert found is None, str(found)
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert grown < MOST_MEMORY, f"{grown:,} bytes"


@pytest.mark.parametrize(
    ("read", "word"),
    [
        (lambda body: {}[body], "KeyError"),
        (lambda _: _raise(FanoutError("")), "without a word"),
        (lambda _: _for_ever(), "takes more than"),
    ],
    ids=["other exception", "no reason", "endless"],
)
def test_what_is_looked_for_is_found(read: object, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that breaks the rules is caught, an endless one too."""
    monkeypatch.setattr("tests.fuzz.engine.TIME_LIMIT", 0.1)
    assert word in (complaint(Reader("bad", (b"x",), read), b"x") or "")  # type: ignore[arg-type]


def _raise(exc: Exception) -> None:
    raise exc


def _for_ever() -> None:
    while True:
        pass
