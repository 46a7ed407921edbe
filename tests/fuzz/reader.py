"""What the fuzzer knows of one reader of outside data."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader: a name, valid inputs, and the function that takes or refuses one.

    `read` raises an error of ours for what it refuses. It may check what it takes: an AssertionError is a finding.
    """

    name: str
    seeds: tuple[bytes, ...]
    read: Callable[[bytes], object]


def text_of(body: bytes) -> str:
    """An input as text: any bytes make some text, surrogates included, as in names and arguments of a system."""
    return body.decode("utf-8", "surrogateescape")
