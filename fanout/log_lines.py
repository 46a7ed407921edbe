"""Log records as JSON, a line each, for programs that collect the logs of nodes and functions: FANOUT_LOG=json."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fanout.security.redaction import redact

VARIABLE = "FANOUT_LOG"


class JsonLines(logging.Formatter):
    """`{"time", "level", "logger", "message", ...}`: `always` has fields of every line, `error` is a traceback.

    Credentials are masked, and a line holds one record whatever its message holds.
    """

    def __init__(self, always: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._always = dict(always or {})

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
            **self._always,
        }
        if record.exc_info:
            fields["error"] = redact(self.formatException(record.exc_info))
        return json.dumps(fields, ensure_ascii=False)


def is_json(environ: Mapping[str, str]) -> bool:
    """Whether logs are wanted as JSON."""
    return environ.get(VARIABLE, "").lower() == "json"
