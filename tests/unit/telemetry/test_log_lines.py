"""Logs as JSON: a line a record, without credentials."""

import json
import logging
import sys

import pytest

from fanout.log_lines import JsonLines, is_json


def line(message: str, *arguments: object, **more: object) -> dict[str, str]:
    """What becomes of a record."""
    record = logging.LogRecord("fanout.x", logging.WARNING, "f.py", 1, message, arguments, None)
    vars(record).update(more)
    text = JsonLines({"deployment": "d"}).format(record)
    assert "\n" not in text
    found: dict[str, str] = json.loads(text)
    return found


def test_fields() -> None:
    """Time, level, logger, message, and what is said of every line."""
    found = line("two\nlines of %s", "text")
    assert (found["level"], found["logger"], found["deployment"]) == ("WARNING", "fanout.x", "d")
    assert found["message"] == "two\nlines of text"
    assert found["time"].endswith("+00:00")


def test_tracebacks_and_secrets() -> None:
    """A traceback is a field; credentials are masked in both."""
    secret = "AKIA" + "ABCDEFGHIJKLMNOP"
    try:
        raise ValueError(secret)
    except ValueError:
        found = line(secret, exc_info=sys.exc_info())
    assert "ValueError" in found["error"]
    assert secret not in json.dumps(found)


@pytest.mark.parametrize(("said", "wanted"), [("json", True), ("JSON", True), ("text", False), ("", False)])
def test_when_it_is_on(said: str, wanted: bool) -> None:
    """FANOUT_LOG=json."""
    assert is_json({"FANOUT_LOG": said}) is wanted
