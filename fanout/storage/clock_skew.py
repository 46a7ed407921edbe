"""What a refusal of S3 or SQS says about this machine's clock. Pure."""

import re
from datetime import UTC, datetime

_S3 = re.compile(r"<RequestTime>([^<]+)</RequestTime>\s*<ServerTime>([^<]+)</ServerTime>")
_SQS = re.compile(r"Signature (?:expired|not yet current): (\w+) is [^(]*\((\w+) [-+]")
_CODES = ("RequestTimeTooSkewed", "RequestExpired", "Signature expired", "Signature not yet current")


def clock_trouble(refusal: str) -> str | None:
    """A sentence for people when `refusal`, a server's whole answer, is about the time; None when it is not."""
    if not any(code in refusal for code in _CODES):
        return None
    off = _seconds_off(refusal)
    if off is None:
        return "this machine's clock differs too much from the server's; set it"
    return f"this machine's clock is {_spoken(abs(off))} {'ahead of' if off > 0 else 'behind'} the server's; set it"


def _seconds_off(refusal: str) -> float | None:
    found = _S3.search(refusal) or _SQS.search(refusal)
    if found is None or (ours := _time(found[1])) is None or (theirs := _time(found[2])) is None:
        return None
    return (ours - theirs).total_seconds()


def _time(text: str) -> datetime | None:
    """ISO 8601 in both its forms, or as in an HTTP header."""
    from email.utils import parsedate_to_datetime  # half of the package `email`, for a rare refusal

    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            found = parse(text)
        except ValueError:
            continue
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None


def _spoken(seconds: float) -> str:
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
