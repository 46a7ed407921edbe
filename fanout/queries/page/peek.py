"""The first lines of an output, where it is a text file of this machine."""

from fanout.pipeline.data.locations import local_path
from fanout.security.redaction import redact

MOST = 4096
LINES = 20


def peek(uri: str) -> str:
    """The first lines of the file at `uri`; "" of folders, of other machines' files, and of what is no text."""
    path = local_path(uri)
    try:
        if path is None or not path.is_file():
            return ""
        with path.open("rb") as file:
            body = file.read(MOST)
        # A character that was cut in two at the end is no reason to show nothing.
        text = body.decode() if len(body) < MOST else body.decode(errors="ignore")
    except (OSError, UnicodeDecodeError):
        return ""
    return "" if "\0" in text else redact("\n".join(text.splitlines()[:LINES]))
