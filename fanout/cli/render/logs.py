"""Logs on a stream: to a terminal without anything that would control it, elsewhere as they are."""

import codecs
from collections.abc import Callable
from typing import TextIO

from fanout.formatting import plain


def log_writer(stream: TextIO) -> Callable[[bytes], None]:
    """What writes logs to `stream`: to a terminal without anything that would control it, elsewhere as they are."""
    if not stream.isatty():

        def write(chunk: bytes) -> None:
            stream.buffer.write(chunk)
            stream.buffer.flush()

        return write
    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def show(chunk: bytes) -> None:
        stream.write(plain(decoder.decode(chunk)))
        stream.flush()

    return show
