"""Numbers, times and places as people read them. Pure."""

import re
from datetime import UTC, datetime

from fanout.files import uris
from fanout.security.redaction import redact

# All control characters but newline and tab: what user code says must not move the cursor or change colours.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 05 s`, `2 h 07 min`, `3 d 04 h`."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    for small, large, size, limit in (("s", "min", 1, 3600), ("min", "h", 60, 86400)):
        if whole < limit:
            high, low = divmod(whole // size, 60)
            return f"{high} {large} {low:02d} {small}"
    days, hours = divmod(whole // 3600, 24)
    return f"{days} d {hours:02d} h"


def rate(per_second: float) -> str:
    """`0.4/s`, `38/s`, `20,100/s`."""
    return f"{per_second:.1f}/s" if per_second < 9.95 else f"{per_second:,.0f}/s"


def number(count: int) -> str:
    """A count with separators between thousands."""
    return f"{count:,}"


def size(count: int) -> str:
    """Bytes: `812 B`, `2.1 KiB`, `340 MiB`."""
    amount, units = float(count), ["B", "KiB", "MiB", "GiB"]
    while amount >= 1024 and len(units) > 1:
        amount, units = amount / 1024, units[1:]
    return f"{amount:.1f} {units[0]}" if amount < 9.95 and units[0] != "B" else f"{amount:,.0f} {units[0]}"


def many(count: int, one: str, several: str = "") -> str:
    """`1 item`, `3 items`, `2 mini-batches` (with its own plural)."""
    return f"{number(count)} {one if count == 1 else several or one + 's'}"


def mini_batches(count: int) -> str:
    """`1 mini-batch`, `12 mini-batches`."""
    return many(count, "mini-batch", "mini-batches")


def location(uri: str) -> str:
    """Where something is: a path on this machine, a URI without secrets elsewhere."""
    return printable(uris.display(uri))


def printable(text: str) -> str:
    """`text` fit for a terminal: without credentials and control characters."""
    return _CONTROL.sub("\ufffd", redact(text))


def plain(text: str) -> str:
    """`text` as a terminal may show it: colours are gone, progress bars are lines, other controls are marked."""
    lines = _COLOUR.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("\ufffd", lines)


def moment(at: float) -> str:
    """Epoch seconds as local date and time."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def middle_left_out(text: str, most: int) -> str:
    """`text`, with the lines in the middle left out when there are more than `most`."""
    lines = text.rstrip().split("\n")
    if len(lines) <= most:
        return "\n".join(lines)
    half = most // 2
    return "\n".join([*lines[:half], f"… {len(lines) - 2 * half} lines left out …", *lines[-half:]])


def indented(text: str, by: str) -> str:
    """Each line of `text` behind `by`."""
    return "\n".join(f"{by}{line}" if line else line for line in text.rstrip().split("\n"))
