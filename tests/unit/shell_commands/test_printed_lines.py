"""What a command prints is passed on while it runs: whole lines, bounded, without credentials."""

from pathlib import Path

import pytest

from fanout.shell_commands.printed_lines import CHUNK, LONGEST_LINE, MOST_LINES, Printed


@pytest.fixture
def said() -> list[str]:
    return []


def _printed(log: Path, said: list[str], *secrets: str) -> Printed:
    return Printed(log, secrets, said.append)


def test_lines_come_when_they_are_whole(tmp_path: Path, said: list[str]) -> None:
    """The last one at the end; of a progress bar its last state."""
    log = tmp_path / "log"
    printed = _printed(log, said)
    printed._look()
    with log.open("wb", buffering=0) as file:
        for piece in (b"one\ntw", b"o\n10 %\r50 %\r100 %\n\nla"):
            file.write(piece)
            printed._look()
        assert said == ["one", "two", "100 %", ""]
        file.write(b"st \xff")
    printed.end()
    assert said[4:] == ["last \ufffd"]


def test_a_flood_is_bounded(tmp_path: Path, said: list[str]) -> None:
    """The last lines of each look, and how many were left out; long lines are cut; a file of any size is no trouble."""
    log = tmp_path / "log"
    printed = _printed(log, said)
    log.write_text("".join(f"{number}\n" for number in range(1000)))
    printed._look()
    assert said[0] == f"… {1000 - MOST_LINES} lines left out; the log has them …"
    assert said[1:] == [str(number) for number in range(1000 - MOST_LINES, 1000)]
    said.clear()
    with log.open("ab") as file:
        file.write(b"x" * (3 * CHUNK) + b"\nafter\n")
    printed._look()
    assert said[-1] == "after"
    assert all(len(line) <= LONGEST_LINE + 1 for line in said)
    assert len(said) <= MOST_LINES + 1


def test_credentials_are_not_shown(tmp_path: Path, said: list[str]) -> None:
    """Also those of several lines, of which each is one here, and those written in pieces."""
    log = tmp_path / "log"
    printed = _printed(log, said, "hunter2hunter2", "-----BEGIN-----\nMIIEvQIBADANBg\n-----END-----")
    with log.open("wb", buffering=0) as file:
        file.write(b"key hunter2")
        printed._look()
        file.write(b"hunter2 end\nMIIEvQIBADANBg\n")
        printed.end()
    assert len(said) == 2
    assert "hunter2" not in "".join(said)
    assert "MIIEvQIBADANBg" not in "".join(said)
