"""Sends a notice to a webhook: a few tries in a few seconds, then it is given up; no run waits longer for it."""

import json
import time
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from fanout.security.redaction import redact
from fanout.telemetry.notices import Notice
from fanout.version import __version__

ANSWERED_WITHIN = 5.0
PAUSES = (0.5, 2.0)
"""Seconds between tries."""
LARGEST = 16 * 1024


class _NoRedirects(HTTPRedirectHandler):
    """A notice goes to the host that was named, and to no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


def send(url: str, notice: Notice) -> str | None:
    """Posts the notice as JSON; None when it was taken, else why not, without the path of the URL: that is a secret."""
    body = json.dumps(notice.fields()).encode()
    if len(body) > LARGEST:
        body = json.dumps({**notice.fields(), "steps": []}).encode()
    why = ""
    for pause in (*PAUSES, None):
        why, again = _post(url, body)
        if not why:
            return None
        if not again or pause is None:
            break
        time.sleep(pause)
    return f"the notice could not be sent to {urlsplit(url).hostname}: {why}"


def _post(url: str, body: bytes) -> tuple[str, bool]:
    """What went wrong, "" for nothing, and whether another try may help."""
    headers = {"Content-Type": "application/json", "User-Agent": f"fanout/{__version__}"}
    try:
        request = Request(url, data=body, headers=headers, method="POST")  # noqa: S310 - settings take http(s) only
        with build_opener(_NoRedirects).open(request, timeout=ANSWERED_WITHIN):
            return "", False
    except HTTPError as exc:
        exc.close()
        return f"HTTP {exc.code}", exc.code >= 500 or exc.code == 429
    except (OSError, HTTPException, ValueError) as exc:
        return redact(str(getattr(exc, "reason", exc)) or type(exc).__name__).replace(url, "the URL"), True
